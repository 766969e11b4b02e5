"""The server: Jenkins' remote API and pages over a scheduler, a store and hosted git repositories."""
