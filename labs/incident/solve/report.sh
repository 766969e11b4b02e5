cat >report.md <<'REPORT'
# No sales from 02:10 to 03:30

Customers saw an empty shop, then errors on every second page.

- Alertmanager was stopped, so no alert reached anyone.
- The traffic had ended: nobody could buy.
- A fault made half of the requests end in an error.

Next time: an alert on zero requests, and a watchdog alert that always fires and is missed when it does not.
REPORT
