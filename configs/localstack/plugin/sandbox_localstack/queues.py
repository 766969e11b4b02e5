"""Queues' addresses as AWS has them, `<address>/<account>/<name>`: Terraform refuses `<address>/queue/<region>/…`."""

from __future__ import annotations

from localstack.runtime import hooks


@hooks.on_infra_start()
def shorten_addresses() -> None:
    from localstack.services.sqs import models

    guess = models.guess_endpoint_strategy_and_host

    def guess_without_path(host: str) -> tuple[str, str]:
        strategy, rest = guess(host)
        return "" if strategy == "path" else strategy, rest

    models.guess_endpoint_strategy_and_host = guess_without_path
