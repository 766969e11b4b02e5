#!/bin/sh
# Builds inherit Jenkins' environment. The password is none of their business: Configuration as Code reads it from a file.
set -eu
umask 077
mkdir -p "$SECRETS"
printf %s "$JENKINS_PASSWORD" > "$SECRETS/JENKINS_PASSWORD"
unset JENKINS_PASSWORD
exec /usr/bin/tini -- /usr/local/bin/jenkins.sh
