git init --quiet --initial-branch=main greeter
cd greeter
cat >greeter.py <<'PROGRAM'
def greeting():
    return "Hello"


def main():
    print(greeting())


if __name__ == "__main__":
    main()
PROGRAM
cat >Jenkinsfile <<'PIPELINE'
pipeline {
    agent any
    stages {
        stage('Build') {
            steps {
                sh 'python3 greeter.py'
            }
        }
    }
}
PIPELINE
git add .
git -c user.name=me -c user.email=me@localhost commit --quiet --message "Greet"
sandbox ci push --follow
