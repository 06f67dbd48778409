// Cores and NUMA nodes this process may use: affinity and cgroup quota both respected.
//
// An interface, so that tests run on a machine that does not exist.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace gristmill::base {

class Topology {
 public:
  virtual ~Topology() = default;
  virtual int usable_cores() const = 0;            // >= 1; after affinity and cgroup quota
  virtual int numa_nodes() const = 0;              // >= 1
  virtual int numa_node_of(int worker) const = 0;  // for worker index 0..
  virtual int cpu_of(int worker) const = 0;        // -1: do not pin
  virtual int64_t memory_limit() const = 0;        // cgroup or physical, bytes
  virtual int64_t l2_bytes() const = 0;
  virtual int64_t l3_bytes() const = 0;
  virtual void bind_thread(int cpu) const = 0;  // the calling thread to a CPU; -1: wherever this process may run again

  static const Topology& system();  // from hwloc, read once
};

// Nodes x cores each, e.g. {4, 4} = two nodes of four. Its threads are bound to nothing.
std::unique_ptr<Topology> synthetic_topology(std::vector<int> cores_per_node, int64_t memory = int64_t{8} << 30);

}  // namespace gristmill::base
