// Functions of many items at once (Flow::add_batch in flow.h): of each parameter they get a Batch, and give as many values as it has.
//
//   std::vector<double> score(const Batch<std::string>& texts) { return model.score({texts.begin(), texts.end()}); }
//
// Batch k of size s has the items from k * s on (of a generator or a flow inside: of those of one item), whoever came first; items that
// failed before are not in it. If the function fails, each of its items has failed.
#pragma once

#include <compare>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace gristmill {

// A view of values that stay where they are.
template <typename T>
class Batch {
 public:
  using value_type = T;
  class iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;
    iterator() = default;
    explicit iterator(const std::shared_ptr<const void>* at) : at_(at) {}
    reference operator*() const { return *static_cast<const T*>(at_->get()); }
    pointer operator->() const { return static_cast<const T*>(at_->get()); }
    reference operator[](difference_type n) const { return *(*this + n); }
    iterator& operator++() { return *this += 1; }
    iterator& operator--() { return *this -= 1; }
    iterator operator++(int) { return std::exchange(*this, *this + 1); }
    iterator operator--(int) { return std::exchange(*this, *this - 1); }
    iterator& operator+=(difference_type n) {
      at_ += n;
      return *this;
    }
    iterator& operator-=(difference_type n) { return *this += -n; }
    friend iterator operator+(iterator i, difference_type n) { return i += n; }
    friend iterator operator+(difference_type n, iterator i) { return i += n; }
    friend iterator operator-(iterator i, difference_type n) { return i -= n; }
    friend difference_type operator-(const iterator& a, const iterator& b) { return a.at_ - b.at_; }
    auto operator<=>(const iterator&) const = default;

   private:
    const std::shared_ptr<const void>* at_ = nullptr;
  };

  explicit Batch(const std::vector<std::shared_ptr<const void>>& values) : values_(&values) {}
  size_t size() const { return values_->size(); }
  bool empty() const { return values_->empty(); }
  const T& operator[](size_t i) const { return *static_cast<const T*>((*values_)[i].get()); }
  iterator begin() const { return iterator(values_->data()); }
  iterator end() const { return iterator(values_->data() + values_->size()); }

 private:
  const std::vector<std::shared_ptr<const void>>* values_;
};

}  // namespace gristmill
