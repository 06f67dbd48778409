-- The rows of the summary table from the tables of duckdb.sql and duckdb_storage.sql.
with kinds as (
  select 'Pod' as data_source, cost_category_id, namespace, node, resource_id, day, as_text(labels) as pod_labels, null::varchar as volume_labels,
    usage_cpu, request_cpu, effective_cpu, limit_cpu, usage_memory, request_memory, effective_memory, limit_memory,
    cores, node_cpu, gigabytes, node_memory, cluster_cpu, cluster_memory, null::varchar as pvc, null::varchar as pv, null::varchar as storageclass,
    null::double as capacity, null::double as capacity_months, null::double as request_months, null::double as usage_months, true as has_cost
  from pod_rows
  union all by name
  select 'Pod' as data_source, cost_category_id, namespace, node, resource_id, day, usage_cpu, request_cpu, effective_cpu, usage_memory, request_memory,
    effective_memory, cores, node_cpu, gigabytes, node_memory, cluster_cpu, cluster_memory, false as has_cost
  from unallocated
  {storage})
select 1 as report_period_id, cost_category_id, '{cluster}' as cluster_id, '{alias}' as cluster_alias, data_source, namespace, node, resource_id,
  day as usage_start, day as usage_end, pod_labels,
  usage_cpu::decimal(33, 15) as pod_usage_cpu_core_hours, request_cpu::decimal(33, 15) as pod_request_cpu_core_hours,
  effective_cpu::decimal(33, 15) as pod_effective_usage_cpu_core_hours, limit_cpu::decimal(33, 15) as pod_limit_cpu_core_hours,
  usage_memory::decimal(33, 15) as pod_usage_memory_gigabyte_hours, request_memory::decimal(33, 15) as pod_request_memory_gigabyte_hours,
  effective_memory::decimal(33, 15) as pod_effective_usage_memory_gigabyte_hours, limit_memory::decimal(33, 15) as pod_limit_memory_gigabyte_hours,
  cores::decimal(33, 15) as node_capacity_cpu_cores, node_cpu::decimal(33, 15) as node_capacity_cpu_core_hours,
  gigabytes::decimal(33, 15) as node_capacity_memory_gigabytes, node_memory::decimal(33, 15) as node_capacity_memory_gigabyte_hours,
  cluster_cpu::decimal(33, 15) as cluster_capacity_cpu_core_hours, cluster_memory::decimal(33, 15) as cluster_capacity_memory_gigabyte_hours,
  pvc as persistentvolumeclaim, pv as persistentvolume, storageclass, volume_labels, coalesce(pod_labels, volume_labels, '{}') as all_labels,
  capacity::decimal(33, 15) as persistentvolumeclaim_capacity_gigabyte, capacity_months::decimal(33, 15) as persistentvolumeclaim_capacity_gigabyte_months,
  request_months::decimal(33, 15) as volume_request_storage_gigabyte_months, usage_months::decimal(33, 15) as persistentvolumeclaim_usage_gigabyte_months,
  case when has_cost then '{"cpu": 0.000000000, "memory": 0.000000000, "storage": 0.000000000}' end as infrastructure_usage_cost, '{source}' as source_uuid
from kinds
