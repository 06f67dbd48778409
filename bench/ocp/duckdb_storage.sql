-- Volumes, where there are any: after duckdb.sql, whose tables it reads.
create or replace temp table volumes as
select interval_start::date as day, namespace, pod, persistentvolumeclaim as pvc, persistentvolume as pv, storageclass, csi_volume_handle,
  persistentvolume_labels as pv_labels, persistentvolumeclaim_labels as pvc_labels, max(persistentvolumeclaim_capacity_bytes) as capacity,
  sum(persistentvolumeclaim_capacity_byte_seconds) as capacity_seconds, sum(volume_request_storage_byte_seconds) as request_seconds,
  sum(persistentvolumeclaim_usage_byte_seconds) as usage_seconds
from '{folder}/storage/*.parquet' where interval_start >= timestamp '{first}' and interval_start < timestamp '{last}' + interval 1 day
group by all;
create or replace temp table volume_nodes as
select distinct v.day, v.pvc, v.pv, v.pod, v.namespace, p.node, p.resource_id
from volumes v join pods p on p.namespace = v.namespace and p.pod = v.pod and p.day = v.day;
create or replace temp table volume_rows as
select day, namespace, node, resource_id, pvc, pv, storageclass, csi_volume_handle, labels, max(cost_category_id) as cost_category_id,
  max(capacity) * pow(2, -30) as capacity, sum(capacity_seconds) / (86400 * {days}) * pow(2, -30) as capacity_months,
  sum(request_seconds) / greatest(coalesce(max(nodes), 1), 1) / (86400 * {days}) * pow(2, -30) as request_months,
  sum(usage_seconds) / greatest(coalesce(max(nodes), 1), 1) / (86400 * {days}) * pow(2, -30) as usage_months
from (
  select v.* exclude (pv_labels, pvc_labels), n.node, n.resource_id, c.cost_category_id, k.nodes,
    over(over(over(nl.labels, ns.labels), kept(pv_labels, ks)), kept(pvc_labels, ks)) as labels
  from volumes v cross join keys
    left join volume_nodes n on n.day = v.day and n.pvc = v.pvc and n.pod = v.pod and n.namespace = v.namespace
    left join node_sets nl on nl.day = v.day and nl.node = n.node
    left join namespace_sets ns on ns.day = v.day and ns.namespace = v.namespace
    left join (select day, pv, count(distinct node) as nodes from volume_nodes where pv is not null group by all) k on k.day = v.day and k.pv = v.pv
    left join categories c on v.namespace like c.pattern escape '\')
group by namespace, node, resource_id, pvc, pv, storageclass, csi_volume_handle, day, labels;
