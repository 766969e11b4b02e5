"""The parameters that each address takes; any other is refused, as it would change the answer and does not."""

from __future__ import annotations

from logstore.errors import bad_request

# `name=value` takes that value alone. What is named and read nowhere changes nothing in a store with one shard.
EVERYWHERE = "format=json"
TARGETS = "allow_no_indices expand_wildcards ignore_unavailable ignore_throttled"
WAITS = "timeout master_timeout wait_for_active_shards"
CAT = "format=text v h help=false local bytes time master_timeout expand_wildcards"
TEXT = "q df default_operator analyzer analyze_wildcard lenient"
SOURCE = "_source _source_includes _source_excludes"
SHARDS = (
    "allow_partial_search_results batched_reduce_size ccs_minimize_roundtrips max_concurrent_searches "
    "max_concurrent_shard_requests pre_filter_shard_size preference request_cache "
    "search_type=query_then_fetch typed_keys=false"
)
HITS = "rest_total_hits_as_int"
SEARCH = f"{TARGETS} {TEXT} {SOURCE} {SHARDS} {HITS} size from sort track_total_hits timeout scroll"
SCROLL = f"scroll scroll_id {HITS}"
MSEARCH = f"{TARGETS} {SHARDS} {HITS}"
COUNT = f"{TARGETS} {TEXT} preference"
CAPABILITIES = f"{TARGETS} fields include_unmapped=false include_empty_fields=true"
DELETION = f"{TARGETS} {TEXT} refresh conflicts wait_for_completion=true scroll scroll_size slices {WAITS}"
WRITE = f"refresh {WAITS}"
DOCUMENT = f"{SOURCE} realtime refresh preference"
HEALTH = (
    f"{WAITS} expand_wildcards level=cluster local wait_for_status wait_for_nodes wait_for_events "
    "wait_for_no_relocating_shards wait_for_no_initializing_shards"
)
INDEX = f"{TARGETS} {WAITS} local flat_settings=false include_defaults=false write_index_only"
TEMPLATE = f"{WAITS} local flat_settings=false include_defaults=false create=false cause"


def check(known: str, path: str, query: dict[str, str]) -> None:
    """Raises ApiError for what is not known."""
    allowed = {*known.split(), *EVERYWHERE.split()}
    names = {one.partition("=")[0] for one in allowed}
    if unknown := [name for name in query if name not in names]:
        several = "s" if len(unknown) > 1 else ""
        listed = ", ".join(f"[{name[:100]}]" for name in unknown)
        raise bad_request(f"request [{path}] contains unrecognized parameter{several}: {listed}")
    for name, value in query.items():
        # A parameter without a value, as in `?v`, is true.
        if name not in allowed and f"{name}={value or 'true'}" not in allowed:
            raise bad_request(f"request [{path}]: logstore does not have [{name}={value[:100]}]")
