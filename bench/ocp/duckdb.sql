-- The cost summary of a generated month (self_hosted rules) for DuckDB: a peer of gristmill-ocp, and what ./run demo checks it with.
--
-- {folder}: as `gristmill-ocp generate` makes it. Label sets are lists of (key, value) sorted by key until the end: a MAP of DuckDB compares
-- its entries in order. Repeated label keys, which generated usage has not, are an error here.
create or replace macro kept(t, ks) as (list_sort(list_filter(map_entries(coalesce(nullif(trim(t), ''), '{}')::json::map(varchar, varchar)), lambda e: list_contains(ks, e.key))));
create or replace macro over(a, b) as (list_sort(list_concat(list_filter(coalesce(a, []), lambda e: not list_contains(list_transform(coalesce(b, []), lambda f: f.key), e.key)), coalesce(b, []))));
create or replace macro as_text(l) as (map_from_entries(l)::json::varchar);

create or replace temp table keys as
select list(key) || ['vm_kubevirt_io_name'] as ks from read_csv('{folder}/enabled_keys.csv', all_varchar = true) where enabled = 'true' and provider_type = 'OCP';
create or replace temp table categories as
select namespace as pattern, cost_category_id::bigint as cost_category_id from read_csv('{folder}/cost_categories.csv', all_varchar = true);
create or replace temp table roles as
select node, resource_id, max(node_role) as role from read_csv('{folder}/nodes.csv', all_varchar = true) group by all;

create or replace temp table node_sets as
select distinct interval_start::date as day, node, kept(node_labels, ks) as labels
from (select distinct interval_start::date as interval_start, node, node_labels from '{folder}/node_labels/*.parquet'
      where interval_start >= timestamp '{first}' and interval_start < timestamp '{last}' + interval 1 day), keys;
create or replace temp table namespace_sets as
select distinct interval_start::date as day, namespace, kept(namespace_labels, ks) as labels
from (select distinct interval_start::date as interval_start, namespace, namespace_labels from '{folder}/namespace_labels/*.parquet'
      where interval_start >= timestamp '{first}' and interval_start < timestamp '{last}' + interval 1 day), keys;

create or replace temp table pods as
select interval_start::date as day, namespace, node, pod, pod_labels, max(resource_id) as resource_id,
  sum(pod_usage_cpu_core_seconds) as usage_cpu, sum(pod_request_cpu_core_seconds) as request_cpu,
  sum(pod_effective_usage_cpu_core_seconds) as effective_cpu, sum(pod_limit_cpu_core_seconds) as limit_cpu,
  sum(pod_usage_memory_byte_seconds) as usage_memory, sum(pod_request_memory_byte_seconds) as request_memory,
  sum(pod_effective_usage_memory_byte_seconds) as effective_memory, sum(pod_limit_memory_byte_seconds) as limit_memory,
  max(node_capacity_cpu_cores) as cores, max(node_capacity_memory_bytes) as bytes
from '{folder}/pod/*.parquet' where interval_start >= timestamp '{first}' and interval_start < timestamp '{last}' + interval 1 day
group by all;

create or replace temp table node_capacity as
select day, node, sum(cpu) as cpu, sum(memory) as memory
from (select interval_start::date as day, interval_start, node, max(node_capacity_cpu_core_seconds) as cpu, max(node_capacity_memory_byte_seconds) as memory
      from '{folder}/pod/*.parquet' where interval_start >= timestamp '{first}' and interval_start < timestamp '{last}' + interval 1 day group by all)
group by all;
create or replace temp table cluster_capacity as select day, sum(cpu) as cpu, sum(memory) as memory from node_capacity group by all;

create or replace temp table pod_rows as
select day, namespace, node, labels, max(resource_id) as resource_id, max(cost_category_id) as cost_category_id,
  sum(usage_cpu) / 3600 as usage_cpu, sum(request_cpu) / 3600 as request_cpu,
  sum(coalesce(effective_cpu, greatest(usage_cpu, request_cpu))) / 3600 as effective_cpu, sum(limit_cpu) / 3600 as limit_cpu,
  sum(usage_memory) / 3600 * pow(2, -30) as usage_memory, sum(request_memory) / 3600 * pow(2, -30) as request_memory,
  sum(coalesce(effective_memory, greatest(usage_memory, request_memory))) / 3600 * pow(2, -30) as effective_memory,
  sum(limit_memory) / 3600 * pow(2, -30) as limit_memory,
  max(cores) as cores, max(bytes) * pow(2, -30) as gigabytes, coalesce(max(node_cpu), 0) / 3600 as node_cpu,
  coalesce(max(node_memory), 0) / 3600 * pow(2, -30) as node_memory, coalesce(max(cluster_cpu), 0) / 3600 as cluster_cpu,
  coalesce(max(cluster_memory), 0) / 3600 * pow(2, -30) as cluster_memory
from (
  select p.*, c.cost_category_id, nc.cpu as node_cpu, nc.memory as node_memory, cc.cpu as cluster_cpu, cc.memory as cluster_memory,
    over(over(nl.labels, ns.labels), l.labels) as labels
  from pods p
    join (select pod_labels, kept(pod_labels, ks) as labels from (select distinct pod_labels from pods), keys) l on l.pod_labels is not distinct from p.pod_labels
    left join node_sets nl on nl.day = p.day and nl.node = p.node
    left join namespace_sets ns on ns.day = p.day and ns.namespace = p.namespace
    left join node_capacity nc on nc.day = p.day and nc.node = p.node
    left join cluster_capacity cc on cc.day = p.day
    left join (select distinct n.namespace, c.pattern, c.cost_category_id from (select distinct namespace from pods) n join categories c on n.namespace like c.pattern escape '\') c
      on c.namespace = p.namespace
  where p.node <> '')
group by day, namespace, node, labels;

create or replace temp table unallocated as
select u.*, c.cost_category_id
from (
  select day, p.node, max(p.resource_id) as resource_id,
    case when max(role) in ('master', 'infra') then 'Platform unallocated' when max(role) = 'worker' then 'Worker unallocated' end as namespace,
    max(node_cpu) - sum(usage_cpu) as usage_cpu, max(node_cpu) - sum(request_cpu) as request_cpu, max(node_cpu) - sum(effective_cpu) as effective_cpu,
    max(node_memory) - sum(usage_memory) as usage_memory, max(node_memory) - sum(request_memory) as request_memory,
    max(node_memory) - sum(effective_memory) as effective_memory,
    max(cores) as cores, max(gigabytes) as gigabytes, max(node_cpu) as node_cpu, max(node_memory) as node_memory,
    max(cluster_cpu) as cluster_cpu, max(cluster_memory) as cluster_memory
  from pod_rows p left join roles r on r.node = p.node and r.resource_id = p.resource_id
  where p.namespace not in ('Platform unallocated', 'Worker unallocated', 'Network unattributed', 'Storage unattributed')
  group by all) u
left join categories c on u.namespace like c.pattern escape '\';
