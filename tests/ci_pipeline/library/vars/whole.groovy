def call(Map config) {
    pipeline {
        agent any
        stages {
            stage('in library') {
                steps {
                    echo "inside library pipeline: ${config.name}"
                }
            }
            stage('skipped') {
                when {
                    expression { config.name == 'y' }
                }
                steps {
                    echo 'never'
                }
            }
        }
    }
}
