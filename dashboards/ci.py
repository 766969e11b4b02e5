"""CI: the names are those of Jenkins' Prometheus and Metrics plugins, so that it serves a real Jenkins as well."""

from __future__ import annotations

from dashboards.panels import NONE_IS_GOOD, ONE_IS_GOOD, chart, dashboard, prom, stat, table, timeline, variable

JOB = '{jenkins_job=~"$jenkins_job"}'
BUILDS = "default_jenkins_builds_"
RESULTS = {"0": ("success", "green"), "1": ("unstable", "yellow"), "2": ("failure", "red"), "3": ("not built", "text"),
           "4": ("aborted", "purple")}  # fmt: skip


def ended(kind: str) -> str:
    return f"sum(increase({BUILDS}{kind}_build_count_total{JOB}[$__range]))"


DASHBOARD = dashboard(
    "ci",
    "CI",
    "Builds, their results and how long they wait. By the metrics of Jenkins' Prometheus plugin, which our CI server has too.",
    ["ci"],
    [
        (4, [
            stat("Up", "Whether the server takes requests. Good: 1.", prom("min(default_jenkins_up)"), steps=ONE_IS_GOOD),
            stat("Jobs failing", "Jobs whose last build failed. Good: 0. `sandbox ci log JOB` shows the end of its console.",
                 prom(f"count({BUILDS}last_build_result_ordinal{JOB} == 2) or vector(0)"), steps=NONE_IS_GOOD),
            stat("Success", "Share of all builds that succeeded. Good: above 80 %. A job that is always green may test too little.",
                 prom(f"sum({BUILDS}success_build_count_total{JOB}) / sum({BUILDS}total_build_count_total{JOB})"),
                 unit="percentunit", decimals=0, steps=(("red", None), ("orange", 0.5), ("green", 0.8))),
            stat("Running", "Builds that run now. Good: 0 when nobody pushes.", prom("sum(jenkins_runs_running_value) or sum(jenkins_executor_in_use_value)")),
            stat("Waiting", "Builds that wait for an executor. Good: 0 for most of the time.",
                 prom("sum(jenkins_queue_size_value)"), steps=(("green", None), ("orange", 1), ("red", 5))),
            stat("Free executors", "Executors without work. Good: 1 or more. With 0 builds wait.",
                 prom("sum(jenkins_executor_free_value)"), steps=(("orange", None), ("green", 1))),
        ]),
        (7, [
            timeline("Last build of each job", "The result of the newest build. Good: green, and red only for a short time: whoever broke it mends it first.",
                     prom(f"{BUILDS}last_build_result_ordinal{JOB}", "{{jenkins_job}}"), RESULTS),
        ]),
        (8, [
            chart("Builds ended", "Builds in the chosen time, by result. Good: mostly `success`; flat when nobody pushes.",
                  prom(ended("success"), "success"), prom(ended("unstable"), "unstable"), prom(ended("failed"), "failure"),
                  prom(ended("aborted"), "aborted"), unit="short",
                  colours={"success": "green", "unstable": "yellow", "failure": "red", "aborted": "purple"}),
            chart("Time of the last build", "How long the newest build of each job took. Good: flat, and below ten minutes: who waits longer begins something else.",
                  prom(f"{BUILDS}last_build_duration_milliseconds{JOB}", "{{jenkins_job}}"), unit="ms"),
            chart("Time by stage", "Stages of the newest build. The longest is the one worth shortening. Good: what it was last week. Empty when no job has stages.",
                  prom(f"{BUILDS}last_stage_duration_milliseconds_summary_sum{JOB}", "{{jenkins_job}}: {{stage}}"), unit="ms"),
        ]),
        (8, [
            chart("Executors", "In use and free. Good: seldom all in use.",
                  prom("sum(jenkins_executor_in_use_value)", "in use"), prom("sum(jenkins_executor_free_value)", "free"),
                  unit="short", stack=True, colours={"in use": "blue", "free": "green"}),
            chart("Queue", "Builds that wait: `blocked` by another build, `buildable` for an executor, `stuck` for too long. Good: 0.",
                  prom("sum(jenkins_queue_blocked_value)", "blocked"), prom("sum(jenkins_queue_buildable_value)", "buildable"),
                  prom("sum(jenkins_queue_stuck_value)", "stuck"), unit="short",
                  colours={"blocked": "yellow", "buildable": "blue", "stuck": "red"}),
            chart("Tests of the last build", "Tests by job, and those that fail. Good: none fails, and the number grows with the program. Empty when no job reports tests.",
                  prom(f"{BUILDS}last_build_tests_total{JOB}", "{{jenkins_job}}"),
                  prom(f"{BUILDS}last_build_tests_failing{JOB}", "{{jenkins_job}} failing"), unit="short"),
        ]),
        (8, [
            table("Jobs", "Builds of each job so far, its health (100 is best) and when its last build began. Good: health above 80.",
                  {"jenkins_job": "Job", "Value #A": "Builds", "Value #B": "Health", "Value #C": "Last build"},
                  f"max by (jenkins_job) ({BUILDS}total_build_count_total{JOB})",
                  f"max by (jenkins_job) ({BUILDS}health_score{JOB})",
                  f"max by (jenkins_job) ({BUILDS}last_build_start_time_milliseconds{JOB})",
                  units={"Last build": "dateTimeAsIso"}, largest_first="Last build"),
        ]),
    ],
    [variable("jenkins_job", "Job", f"label_values({BUILDS}last_build_result_ordinal, jenkins_job)")],
)  # fmt: skip
