-- Steps 1-4 and 6 of the cost summary (docs/ocp-cost.md), by the rules of self_hosted, from hourly Parquet; ${C} catalog, ${S} first day, ${E} last day, ids in ${R}.
-- Three statements as the incumbent did it: pods into a Parquet staging table, unallocated into it, then out.
drop table if exists ${C}.w.staging;
create table ${C}.w.staging with (format = 'PARQUET') as
with
k as (select coalesce(array_agg(key), array[]) || 'vm_kubevirt_io_name' ks from ${C}.w.enabled_keys where enabled and provider_type = 'OCP'),
h as (select cast(interval_start as date) d, * from ${C}.w.pod where interval_start >= timestamp '${S} 00:00:00' and interval_start < timestamp '${E} 00:00:00' + interval '1' day),
pd as (
  select d, namespace, node, pod, pod_labels, max(resource_id) resource_id,
    sum(pod_usage_cpu_core_seconds) ucpu, sum(pod_request_cpu_core_seconds) rcpu, sum(pod_effective_usage_cpu_core_seconds) ecpu, sum(pod_limit_cpu_core_seconds) lcpu,
    sum(pod_usage_memory_byte_seconds) umem, sum(pod_request_memory_byte_seconds) rmem, sum(pod_effective_usage_memory_byte_seconds) emem, sum(pod_limit_memory_byte_seconds) lmem,
    max(node_capacity_cpu_cores) cores, max(node_capacity_memory_bytes) bytes
  from h where node <> '' group by d, namespace, node, pod, pod_labels),
nl as (
  select distinct cast(interval_start as date) d, node, map_filter(cast(json_parse(coalesce(nullif(trim(node_labels), ''), '{}')) as map(varchar, varchar)), (x, y) -> contains(ks, x)) m
  from ${C}.w.node_labels cross join k where interval_start >= timestamp '${S} 00:00:00' and interval_start < timestamp '${E} 00:00:00' + interval '1' day),
ns as (
  select distinct cast(interval_start as date) d, namespace, map_filter(cast(json_parse(coalesce(nullif(trim(namespace_labels), ''), '{}')) as map(varchar, varchar)), (x, y) -> contains(ks, x)) m
  from ${C}.w.namespace_labels cross join k where interval_start >= timestamp '${S} 00:00:00' and interval_start < timestamp '${E} 00:00:00' + interval '1' day),
ncap as (
  select d, node, sum(c) c, sum(m) m from (
    select d, interval_start, node, max(node_capacity_cpu_core_seconds) c, max(node_capacity_memory_byte_seconds) m from h group by d, interval_start, node)
  group by d, node),
ccap as (select d, sum(c) c, sum(m) m from ncap group by d),
j as (
  select pd.*, cat.cost_category_id, ncap.c nc, ncap.m nm, ccap.c cc, ccap.m cm,
    map_concat(coalesce(nl.m, map()), coalesce(ns.m, map()),
      map_filter(cast(json_parse(coalesce(nullif(trim(pod_labels), ''), '{}')) as map(varchar, varchar)), (x, y) -> contains(ks, x))) labels
  from pd cross join k
    left join nl on nl.d = pd.d and nl.node = pd.node
    left join ns on ns.d = pd.d and ns.namespace = pd.namespace
    left join ncap on ncap.d = pd.d and ncap.node = pd.node
    left join ccap on ccap.d = pd.d
    left join ${C}.w.categories cat on pd.namespace like cat.namespace escape '\')
select cast(uuid() as varchar) uuid, max(cost_category_id) cost_category_id, 'Pod' data_source, namespace, node, max(resource_id) resource_id,
  d usage_start, d usage_end, json_format(cast(labels as json)) pod_labels,
  sum(ucpu) / 3600.0e0 pod_usage_cpu_core_hours, sum(rcpu) / 3600.0e0 pod_request_cpu_core_hours,
  sum(coalesce(ecpu, greatest(ucpu, rcpu), ucpu, rcpu)) / 3600.0e0 pod_effective_usage_cpu_core_hours, sum(lcpu) / 3600.0e0 pod_limit_cpu_core_hours,
  sum(umem) / 3600.0e0 * power(2, -30) pod_usage_memory_gigabyte_hours, sum(rmem) / 3600.0e0 * power(2, -30) pod_request_memory_gigabyte_hours,
  sum(coalesce(emem, greatest(umem, rmem), umem, rmem)) / 3600.0e0 * power(2, -30) pod_effective_usage_memory_gigabyte_hours,
  sum(lmem) / 3600.0e0 * power(2, -30) pod_limit_memory_gigabyte_hours,
  max(cores) node_capacity_cpu_cores, coalesce(max(nc), 0e0) / 3600.0e0 node_capacity_cpu_core_hours,
  max(bytes) * power(2, -30) node_capacity_memory_gigabytes, coalesce(max(nm), 0e0) / 3600.0e0 * power(2, -30) node_capacity_memory_gigabyte_hours,
  coalesce(max(cc), 0e0) / 3600.0e0 cluster_capacity_cpu_core_hours, coalesce(max(cm), 0e0) / 3600.0e0 * power(2, -30) cluster_capacity_memory_gigabyte_hours,
  '{"cpu": 0.000000000, "memory": 0.000000000, "storage": 0.000000000}' infrastructure_usage_cost
from j group by d, namespace, node, labels;
insert into ${C}.w.staging
with
r as (select node, resource_id, max(node_role) node_role from ${C}.w.roles group by node, resource_id),
u as (
  select usage_start, s.node, max(s.resource_id) resource_id,
    case when max(r.node_role) in ('master', 'infra') then 'Platform unallocated' when max(r.node_role) = 'worker' then 'Worker unallocated' end namespace,
    max(node_capacity_cpu_core_hours) - sum(pod_usage_cpu_core_hours) ucpu, max(node_capacity_cpu_core_hours) - sum(pod_request_cpu_core_hours) rcpu,
    max(node_capacity_cpu_core_hours) - sum(pod_effective_usage_cpu_core_hours) ecpu,
    max(node_capacity_memory_gigabyte_hours) - sum(pod_usage_memory_gigabyte_hours) umem, max(node_capacity_memory_gigabyte_hours) - sum(pod_request_memory_gigabyte_hours) rmem,
    max(node_capacity_memory_gigabyte_hours) - sum(pod_effective_usage_memory_gigabyte_hours) emem,
    max(node_capacity_cpu_cores) cores, max(node_capacity_cpu_core_hours) nc, max(node_capacity_memory_gigabytes) bytes, max(node_capacity_memory_gigabyte_hours) nm,
    max(cluster_capacity_cpu_core_hours) cc, max(cluster_capacity_memory_gigabyte_hours) cm
  from ${C}.w.staging s left join r on r.node = s.node and r.resource_id = s.resource_id
  where s.namespace not in ('Platform unallocated', 'Worker unallocated', 'Network unattributed', 'Storage unattributed') and s.node is not null
  group by usage_start, s.node)
select cast(uuid() as varchar), cat.cost_category_id, 'Pod', u.namespace, node, resource_id, usage_start, usage_start, cast(null as varchar),
  ucpu, rcpu, ecpu, cast(null as double), umem, rmem, emem, cast(null as double), cores, nc, bytes, nm, cc, cm, cast(null as varchar)
from u left join ${C}.w.categories cat on u.namespace like cat.namespace escape '\';
