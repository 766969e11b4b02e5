sandbox exec ci sh -c '
  ask() { wget -q -O - --user=admin --password="$CI_PASSWORD" --auth-no-challenge "$@"; }
  rm -rf /var/lib/ci/repositories/greeter.git
  crumb=$(ask http://127.0.0.1:8080/crumbIssuer/api/json | sed "s/.*\"crumb\": *\"\([^\"]*\)\".*/\1/")
  ask --header "Jenkins-Crumb: $crumb" --post-data "" http://127.0.0.1:8080/job/greeter/doDelete
' >/dev/null 2>&1 || true
