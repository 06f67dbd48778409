// Functions with a state of their own for each worker: a connection, a model, a buffer that one thread at a time may use.
//
//   struct Scorer {
//     Model model = Model::load("weights");           // once a worker, at its first call there
//     double operator()(const std::string& text) { return model.score(text); }
//   };
//   flow.add("score", per_worker<Scorer>(), text);
//   flow.add("row", per_worker([]() -> arrow::Result<Lookup> { return Lookup::connect("db"); }), key);  // or made by a function, that may
//   fail
//
// A worker is a thread; of coroutines, which have none, the event loop: they share one object, and are open at the same time. An object is
// made and called by its worker alone, so it needs no lock (a flow that it runs itself must not call it again). It goes with its thread or
// with the last flow that has it, whichever is first. If it cannot be made that call fails; the next one tries again.
#pragma once

#include <memory>
#include <mutex>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <arrow/result.h>

#include "gristmill/flow_parts.h"

namespace gristmill {
namespace detail {

// Objects by the thread they belong to, which knows its own without a lock and forgets them when it ends.
class WorkerObjects : public std::enable_shared_from_this<WorkerObjects> {
 public:
  void* mine() const;                       // of this thread; null: none yet
  void keep(std::shared_ptr<void> object);  // as this thread's
  void forget(const void* thread);

 private:
  std::mutex mutex_;
  std::unordered_map<const void*, std::shared_ptr<void>> objects_;
};

template <typename T>
struct MadeBy {
  using Type = T;
};
template <typename T>
struct MadeBy<arrow::Result<T>> {
  using Type = T;
};

// What a call gives whose object could not be made.
template <typename R>
struct NotMade {
  using Type = arrow::Result<R>;
  static Type give(arrow::Status status) { return status; }
};
template <typename T>
struct NotMade<arrow::Result<T>> : NotMade<T> {};
template <typename T>
struct NotMade<Task<T>> {
  using Type = Task<T>;
  static Type give(arrow::Status status) { co_return status; }
};
template <typename T>
struct NotMade<AsyncEach<T>> {
  using Type = AsyncEach<T>;
  static Type give(arrow::Status status) { co_yield status; }
};

}  // namespace detail

template <typename Make>
class PerWorker {
 public:
  using Made = std::invoke_result_t<const Make&>;
  using Object = typename detail::MadeBy<Made>::Type;

  explicit PerWorker(Make make) : make_(std::move(make)) {}

  template <typename... A>
    requires std::is_invocable_v<Object&, const A&...>
  auto operator()(const A&... args) const -> typename detail::NotMade<std::invoke_result_t<Object&, const A&...>>::Type {
    using Answer = detail::NotMade<std::invoke_result_t<Object&, const A&...>>;
    auto* object = static_cast<Object*>(objects_->mine());
    if (object == nullptr) {
      auto made = std::make_shared<Holder>(make_);
      if constexpr (kMayFail) {
        if (!made->object.ok()) return Answer::give(made->object.status());
        object = &*made->object;
      } else {
        object = &made->object;
      }
      objects_->keep(std::shared_ptr<void>(std::move(made), object));
    }
    return (*object)(args...);
  }

 private:
  static constexpr bool kMayFail = !std::is_same_v<Made, Object>;
  struct Holder {
    explicit Holder(const Make& make) : object(make()) {}  // where it stays: it need not be movable
    Made object;
  };

  Make make_;
  std::shared_ptr<detail::WorkerObjects> objects_ = std::make_shared<detail::WorkerObjects>();
};

template <typename Make>
PerWorker<Make> per_worker(Make make) {
  return PerWorker<Make>(std::move(make));
}
// Built without arguments.
template <typename Object>
auto per_worker() {
  return per_worker([] { return Object(); });
}

}  // namespace gristmill
