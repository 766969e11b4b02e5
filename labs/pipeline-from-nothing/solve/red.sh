cd greeter
cat >test_greeter.py <<'TEST'
import unittest

import greeter


class Greeting(unittest.TestCase):
    def test_it_is_friendly(self):
        self.assertEqual(greeter.greeting(), "Hello")
TEST
sed -i.bak 's/"Hello"/"Go away"/' greeter.py && rm greeter.py.bak
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
    }
}
PIPELINE
git add .
git -c user.name=me -c user.email=me@localhost commit --quiet --message "Test the greeting, and see it fail"
sandbox ci push --follow || echo "red, as it should be"
