"""Dashboards as code: one file for each, `make dashboards` writes them to configs/<service>/dashboards/."""
