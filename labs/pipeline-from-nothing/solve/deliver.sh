cd greeter
sed -i.bak 's/"Go away"/"Hello"/' greeter.py && rm greeter.py.bak
cat >Jenkinsfile <<'PIPELINE'
pipeline {
    agent any
    stages {
        stage('Build') {
            steps {
                sh 'python3 greeter.py'
            }
        }
        stage('Test') {
            steps {
                sh 'python3 -m unittest -v'
            }
        }
        stage('Package') {
            steps {
                sh 'mkdir -p app && cp greeter.py app/ && python3 -m zipapp app -m greeter:main -o greeter.pyz'
                archiveArtifacts artifacts: 'greeter.pyz', fingerprint: true
            }
        }
    }
}
PIPELINE
git add .
git -c user.name=me -c user.email=me@localhost commit --quiet --message "Mend the greeting, and pack it"
sandbox ci push --follow
