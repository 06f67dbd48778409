-- The cost summary of a month as one statement of PostgreSQL, written apart from the job's plan so that one checks the other.
--
-- Reads temporary tables that the program fills: verify_month (one row of parameters), verify_keys, verify_categories, verify_nodes,
-- verify_pods, verify_pods_daily, verify_storage, verify_node_labels, verify_namespace_labels. Leaves verify_expected.
-- Text is compared by bytes: all text columns have the collation "C". trino = true: the other incumbent's NULL rules and its LIKE.

create function pg_temp.kept_labels(t text) returns jsonb language sql stable as $$
  select coalesce(jsonb_object_agg(e.key, e.value), '{}')
  from jsonb_each_text(coalesce(nullif(trim(both ' ' from t), ''), '{}')::jsonb) e
  where e.key = 'vm_kubevirt_io_name' or e.key in (select key from verify_keys)
$$;

-- What a volume's seconds are divided by; a count of 0 is 1.
create function pg_temp.shares(nodes bigint, trino boolean) returns float8 language sql immutable as $$
  select case when nodes > 0 then nodes when nodes = 0 or not trino then 1 end::float8
$$;

create temp table verify_expected on commit drop as
with
m as materialized (select * from verify_month),

-- Daily pods: as given, or a day's hourly rows by the text of their labels.
pods as materialized (
  select (interval_start at time zone 'UTC')::date as day, namespace, node, pod, pod_labels, max(resource_id) as resource_id,
    sum(pod_usage_cpu_core_seconds) as usage_cpu, sum(pod_request_cpu_core_seconds) as request_cpu,
    sum(pod_limit_cpu_core_seconds) as limit_cpu, sum(pod_effective_usage_cpu_core_seconds) as effective_cpu,
    sum(pod_usage_memory_byte_seconds) as usage_memory, sum(pod_request_memory_byte_seconds) as request_memory,
    sum(pod_limit_memory_byte_seconds) as limit_memory, sum(pod_effective_usage_memory_byte_seconds) as effective_memory,
    max(node_capacity_cpu_cores) as cores, max(node_capacity_memory_bytes) as bytes
  from verify_pods, m where not m.daily_pods
  group by 1, 2, 3, 4, 5
  union all
  select (interval_start at time zone 'UTC')::date, namespace, node, pod, pod_labels, resource_id,
    pod_usage_cpu_core_seconds, pod_request_cpu_core_seconds, pod_limit_cpu_core_seconds, pod_effective_usage_cpu_core_seconds,
    pod_usage_memory_byte_seconds, pod_request_memory_byte_seconds, pod_limit_memory_byte_seconds, pod_effective_usage_memory_byte_seconds,
    node_capacity_cpu_cores, node_capacity_memory_bytes
  from verify_pods_daily, m where m.daily_pods),

volumes as materialized (
  select (interval_start at time zone 'UTC')::date as day, namespace, pod, persistentvolumeclaim as pvc, persistentvolume as pv, storageclass,
    csi_driver, csi_volume_handle, persistentvolume_labels as pv_labels, persistentvolumeclaim_labels as pvc_labels,
    max(persistentvolumeclaim_capacity_bytes) as capacity, sum(persistentvolumeclaim_capacity_byte_seconds) as capacity_seconds,
    sum(volume_request_storage_byte_seconds) as request_seconds, sum(persistentvolumeclaim_usage_byte_seconds) as usage_seconds
  from verify_storage, m where not m.daily_storage
  group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
  union all
  select (interval_start at time zone 'UTC')::date, namespace, pod, persistentvolumeclaim, persistentvolume, storageclass,
    csi_driver, csi_volume_handle, persistentvolume_labels, persistentvolumeclaim_labels,
    persistentvolumeclaim_capacity_bytes, persistentvolumeclaim_capacity_byte_seconds,
    volume_request_storage_byte_seconds, persistentvolumeclaim_usage_byte_seconds
  from verify_storage, m where m.daily_storage),

-- Label sets of nodes and namespaces, each once a day.
node_sets as materialized (
  select distinct (interval_start at time zone 'UTC')::date as day, node, pg_temp.kept_labels(node_labels) as labels from verify_node_labels),
namespace_sets as materialized (
  select distinct (interval_start at time zone 'UTC')::date as day, namespace, pg_temp.kept_labels(namespace_labels) as labels
  from verify_namespace_labels),

-- Capacity: the greatest of an hour, summed over the hours; the cluster's is the sum of its nodes.
node_capacity as materialized (
  select day, node, sum(cpu) as cpu, sum(memory) as memory
  from (select (interval_start at time zone 'UTC')::date as day, interval_start, node, max(node_capacity_cpu_core_seconds) as cpu,
               max(node_capacity_memory_byte_seconds) as memory
        from verify_pods group by 1, 2, 3) hourly
  group by day, node),
cluster_capacity as materialized (select day, sum(cpu) as cpu, sum(memory) as memory from node_capacity group by day),

patterns as materialized (
  select like_escape(c.pattern, case when m.trino then '' else '\' end) as pattern, c.cost_category_id from verify_categories c, m),

pod_rows as materialized (
  select day, namespace, node, labels, max(resource_id) as resource_id, max(cost_category_id) as cost_category_id,
    sum(usage_cpu) / 3600 as usage_cpu, sum(request_cpu) / 3600 as request_cpu,
    sum(coalesce(effective_cpu, case when m.trino and (usage_cpu is null or request_cpu is null) then null
                                     else greatest(usage_cpu, request_cpu) end)) / 3600 as effective_cpu,
    sum(limit_cpu) / 3600 as limit_cpu,
    sum(usage_memory) / 3600 * 2.0::float8 ^ -30 as usage_memory, sum(request_memory) / 3600 * 2.0::float8 ^ -30 as request_memory,
    sum(coalesce(effective_memory, case when m.trino and (usage_memory is null or request_memory is null) then null
                                        else greatest(usage_memory, request_memory) end)) / 3600 * 2.0::float8 ^ -30 as effective_memory,
    sum(limit_memory) / 3600 * 2.0::float8 ^ -30 as limit_memory,
    max(cores) as cores, max(bytes) * 2.0::float8 ^ -30 as gigabytes,
    coalesce(max(node_cpu), case when not m.trino then 0 end) / 3600 as node_cpu,
    coalesce(max(node_memory), case when not m.trino then 0 end) / 3600 * 2.0::float8 ^ -30 as node_memory,
    coalesce(max(cluster_cpu), case when not m.trino then 0 end) / 3600 as cluster_cpu,
    coalesce(max(cluster_memory), case when not m.trino then 0 end) / 3600 * 2.0::float8 ^ -30 as cluster_memory
  from (
    select p.*, c.cost_category_id, nc.cpu as node_cpu, nc.memory as node_memory, cc.cpu as cluster_cpu, cc.memory as cluster_memory,
      case when m.trino and p.pod_labels is null then null
           else coalesce(nl.labels, '{}') || coalesce(ns.labels, '{}') || pg_temp.kept_labels(p.pod_labels) end as labels
    from pods p cross join m
      left join node_sets nl on nl.day = p.day and nl.node = p.node
      left join namespace_sets ns on ns.day = p.day and ns.namespace = p.namespace
      left join node_capacity nc on nc.day = p.day and nc.node = p.node
      left join cluster_capacity cc on cc.day = p.day
      left join patterns c on p.namespace like c.pattern
    where p.node <> '') items, m
  group by day, namespace, node, labels, m.trino),

volume_nodes as materialized (
  select distinct v.day, v.pvc, v.pv, v.pod, v.namespace, p.node, p.resource_id
  from volumes v join pods p on p.namespace = v.namespace and p.pod = v.pod and p.day = v.day),
node_counts as materialized (
  select day, pv, count(distinct node) as nodes from volume_nodes where pv is not null group by day, pv),

volume_rows as (
  select day, namespace, node, resource_id, pvc, pv, storageclass, csi_volume_handle, labels, max(cost_category_id) as cost_category_id,
    max(capacity) * 2.0::float8 ^ -30 as capacity,
    sum(capacity_seconds) / (86400 * m.days) * 2.0::float8 ^ -30 as capacity_months,
    sum(request_seconds) / pg_temp.shares(max(nodes), m.trino) / (86400 * m.days) * 2.0::float8 ^ -30 as request_months,
    sum(usage_seconds) / pg_temp.shares(max(nodes), m.trino) / (86400 * m.days) * 2.0::float8 ^ -30 as usage_months
  from (
    select v.day, v.namespace, n.node, n.resource_id, v.pvc, v.pv, v.storageclass, v.csi_volume_handle, v.capacity, v.capacity_seconds,
      v.request_seconds, v.usage_seconds, c.cost_category_id, k.nodes,
      coalesce(nl.labels, '{}') || coalesce(ns.labels, '{}') || pg_temp.kept_labels(v.pv_labels) || pg_temp.kept_labels(v.pvc_labels) as labels
    from volumes v
      left join volume_nodes n on n.day = v.day and n.pvc = v.pvc and n.pod = v.pod and n.namespace = v.namespace
      left join node_sets nl on nl.day = v.day and nl.node = n.node
      left join namespace_sets ns on ns.day = v.day and ns.namespace = v.namespace
      left join node_counts k on k.day = v.day and k.pv = v.pv
      left join patterns c on v.namespace like c.pattern) items, m
  group by namespace, node, resource_id, pvc, pv, storageclass, csi_volume_handle, day, labels, m.days, m.trino),

roles as (select node, resource_id, max(node_role) as role from verify_nodes group by node, resource_id),
unallocated as (
  select u.*, c.cost_category_id
  from (
    select p.day, p.node, max(p.resource_id) as resource_id,
      case when max(r.role) in ('master', 'infra') then 'Platform unallocated' when max(r.role) = 'worker' then 'Worker unallocated' end
        collate "C" as namespace,
      max(node_cpu) - sum(usage_cpu) as usage_cpu, max(node_cpu) - sum(request_cpu) as request_cpu,
      max(node_cpu) - sum(effective_cpu) as effective_cpu,
      max(node_memory) - sum(usage_memory) as usage_memory, max(node_memory) - sum(request_memory) as request_memory,
      max(node_memory) - sum(effective_memory) as effective_memory,
      max(cores) as cores, max(gigabytes) as gigabytes, max(node_cpu) as node_cpu, max(node_memory) as node_memory,
      max(cluster_cpu) as cluster_cpu, max(cluster_memory) as cluster_memory
    from pod_rows p left join roles r on r.node = p.node and r.resource_id = p.resource_id
    where p.namespace not in ('Platform unallocated', 'Worker unallocated', 'Network unattributed', 'Storage unattributed')
    group by p.day, p.node) u
  left join patterns c on u.namespace like c.pattern),

all_rows as (
  select 'Pod' as data_source, cost_category_id, namespace, node, resource_id, day, labels as pod_labels, null::jsonb as volume_labels,
    usage_cpu, request_cpu, effective_cpu, limit_cpu, usage_memory, request_memory, effective_memory, limit_memory,
    cores, node_cpu, gigabytes, node_memory, cluster_cpu, cluster_memory,
    null::text as pvc, null::text as pv, null::text as storageclass,
    null::float8 as capacity, null::float8 as capacity_months, null::float8 as request_months, null::float8 as usage_months, true as has_cost
  from pod_rows
  union all
  select 'Storage', cost_category_id, namespace, node, resource_id, day, null, labels,
    null, null, null, null, null, null, null, null, null, null, null, null, null, null,
    pvc, pv, storageclass, capacity, capacity_months, request_months, usage_months, true
  from volume_rows
  union all
  select 'Pod', cost_category_id, namespace, node, resource_id, day, null, null,
    usage_cpu, request_cpu, effective_cpu, null, usage_memory, request_memory, effective_memory, null,
    cores, node_cpu, gigabytes, node_memory, cluster_cpu, cluster_memory,
    null, null, null, null, null, null, null, false
  from unallocated)

select m.report_period_id, r.cost_category_id, m.cluster_id, m.cluster_alias, r.data_source, r.namespace, r.node, r.resource_id,
  r.day as usage_start, r.day as usage_end, r.pod_labels,
  r.usage_cpu::numeric(33, 15) as pod_usage_cpu_core_hours,
  r.request_cpu::numeric(33, 15) as pod_request_cpu_core_hours,
  r.effective_cpu::numeric(33, 15) as pod_effective_usage_cpu_core_hours,
  r.limit_cpu::numeric(33, 15) as pod_limit_cpu_core_hours,
  r.usage_memory::numeric(33, 15) as pod_usage_memory_gigabyte_hours,
  r.request_memory::numeric(33, 15) as pod_request_memory_gigabyte_hours,
  r.effective_memory::numeric(33, 15) as pod_effective_usage_memory_gigabyte_hours,
  r.limit_memory::numeric(33, 15) as pod_limit_memory_gigabyte_hours,
  r.cores::numeric(33, 15) as node_capacity_cpu_cores,
  r.node_cpu::numeric(33, 15) as node_capacity_cpu_core_hours,
  r.gigabytes::numeric(33, 15) as node_capacity_memory_gigabytes,
  r.node_memory::numeric(33, 15) as node_capacity_memory_gigabyte_hours,
  r.cluster_cpu::numeric(33, 15) as cluster_capacity_cpu_core_hours,
  r.cluster_memory::numeric(33, 15) as cluster_capacity_memory_gigabyte_hours,
  r.pvc as persistentvolumeclaim, r.pv as persistentvolume, r.storageclass, r.volume_labels,
  coalesce(r.pod_labels, '{}') || coalesce(r.volume_labels, '{}') as all_labels,
  r.capacity::numeric(33, 15) as persistentvolumeclaim_capacity_gigabyte,
  r.capacity_months::numeric(33, 15) as persistentvolumeclaim_capacity_gigabyte_months,
  r.request_months::numeric(33, 15) as volume_request_storage_gigabyte_months,
  r.usage_months::numeric(33, 15) as persistentvolumeclaim_usage_gigabyte_months,
  case when r.has_cost then '{"cpu": 0.000000000, "memory": 0.000000000, "storage": 0.000000000}'::jsonb end as infrastructure_usage_cost,
  m.source_uuid
from all_rows r, m;
