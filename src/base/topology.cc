// Workers take one hardware thread of every core first, then the second ones.
//
// Pinning is worth it only where memory has a place: on one NUMA node, or under a CPU quota (where the kernel
// must be free to move threads), cpu_of() answers -1.

#include "base/topology.h"

#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/cgroup.h"

namespace gristmill::base {
namespace {

struct Cpu {
  int index = -1;  // the system's number
  int node = 0;
};

struct Machine {
  std::vector<Cpu> cpus;  // in the order workers take them
  int cores = 1;
  int nodes = 1;
  bool pin = false;
  bool real = false;
  int64_t memory = 0;
  int64_t l2 = int64_t{1} << 20;
  int64_t l3 = int64_t{8} << 20;
};

// The thread's affinity: one CPU, or all that the process had when this was first asked.
void set_affinity(int cpu) {
  static const cpu_set_t whole = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  cpu_set_t set = whole;
  if (cpu >= 0) {
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
  }
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

class FixedTopology final : public Topology {
 public:
  explicit FixedTopology(Machine machine) : machine_(std::move(machine)) {}
  int usable_cores() const override { return machine_.cores; }
  int numa_nodes() const override { return machine_.nodes; }
  int numa_node_of(int worker) const override { return at(worker).node; }
  int cpu_of(int worker) const override {
    return machine_.pin && worker >= 0 && static_cast<size_t>(worker) < machine_.cpus.size() ? at(worker).index : -1;
  }
  int64_t memory_limit() const override { return machine_.memory; }
  int64_t l2_bytes() const override { return machine_.l2; }
  int64_t l3_bytes() const override { return machine_.l3; }
  void bind_thread(int cpu) const override {
    if (machine_.real) set_affinity(cpu);
  }

 private:
  const Cpu& at(int worker) const { return machine_.cpus[static_cast<size_t>(std::max(worker, 0)) % machine_.cpus.size()]; }

  Machine machine_;
};

// Asked of the kernel with a growing set: machines may have more CPUs than a cpu_set_t has bits.
std::vector<int> allowed_cpus() {
  for (int bits = 1024; bits <= 1 << 20; bits *= 2) {
    cpu_set_t* const set = CPU_ALLOC(bits);
    const size_t size = CPU_ALLOC_SIZE(bits);
    std::vector<int> cpus;
    const bool ok = set != nullptr && sched_getaffinity(0, size, set) == 0;
    for (int cpu = 0; ok && cpu < bits; ++cpu) {
      if (CPU_ISSET_S(cpu, size, set)) cpus.push_back(cpu);
    }
    CPU_FREE(set);
    if (ok && !cpus.empty()) return cpus;
  }
  return {0};
}

int64_t cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type, int64_t fallback) {
  const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
  if (cache == nullptr || cache->attr == nullptr || cache->attr->cache.size == 0) return fallback;
  return static_cast<int64_t>(cache->attr->cache.size);
}

std::vector<Cpu> ordered_cpus(hwloc_topology_t topology, const std::vector<int>& allowed) {
  std::vector<std::tuple<unsigned, int, int>> order;  // rank within the core, CPU, node
  for (const int index : allowed) {
    unsigned rank = 0;
    int node = 0;
    if (const hwloc_obj_t pu = topology == nullptr ? nullptr : hwloc_get_pu_obj_by_os_index(topology, static_cast<unsigned>(index))) {
      const hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
      if (core != nullptr) rank = pu->sibling_rank;
      if (pu->nodeset != nullptr) node = std::max(hwloc_bitmap_first(pu->nodeset), 0);
    }
    order.emplace_back(rank, index, node);
  }
  std::sort(order.begin(), order.end());
  std::vector<Cpu> cpus;
  for (const auto& [rank, index, node] : order) cpus.push_back({index, node});
  return cpus;
}

// Nodes are numbered 0.. without gaps, whatever the system calls them.
int renumber_nodes(std::vector<Cpu>& cpus) {
  std::set<int> names;
  for (const Cpu& cpu : cpus) names.insert(cpu.node);
  for (Cpu& cpu : cpus) cpu.node = static_cast<int>(std::distance(names.begin(), names.find(cpu.node)));
  return static_cast<int>(names.size());
}

Machine this_machine() {
  Machine machine;
  machine.real = true;
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) {
    topology = nullptr;
  } else if (hwloc_topology_load(topology) != 0) {
    hwloc_topology_destroy(topology);
    topology = nullptr;
  }
  machine.cpus = ordered_cpus(topology, allowed_cpus());
  if (topology != nullptr) {
    machine.l2 = cache_bytes(topology, HWLOC_OBJ_L2CACHE, machine.l2);
    machine.l3 = cache_bytes(topology, HWLOC_OBJ_L3CACHE, machine.l3);
    hwloc_topology_destroy(topology);
  }
  machine.nodes = renumber_nodes(machine.cpus);
  const int all = static_cast<int>(machine.cpus.size());
  machine.cores = std::clamp(cgroup_cores().value_or(all), 1, all);
  machine.pin = machine.nodes > 1 && machine.cores == all;
  const int64_t physical = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  machine.memory = std::min(cgroup_memory().value_or(physical), physical);
  return machine;
}

}  // namespace

const Topology& Topology::system() {
  static const FixedTopology topology(this_machine());
  return topology;
}

std::unique_ptr<Topology> synthetic_topology(std::vector<int> cores_per_node, int64_t memory) {
  Machine machine;
  machine.memory = memory;
  int node = 0;
  for (const int cores : cores_per_node) {
    for (int i = 0; i < cores; ++i) machine.cpus.push_back({-1, node});
    ++node;
  }
  if (machine.cpus.empty()) machine.cpus.push_back({-1, 0});
  machine.nodes = std::max(node, 1);
  machine.cores = static_cast<int>(machine.cpus.size());
  return std::make_unique<FixedTopology>(std::move(machine));
}

}  // namespace gristmill::base
