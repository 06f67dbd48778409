// Results that are kept: a call that was made before with the same arguments is not made again.
//
//   const FlowCache cache("folder");  // or FlowCache(), in memory; copies share it
//   flow.add("page", fetch, CallRules{.cache = cache, .version = "2"}, url);
//
// The key is the function's name in the flow, its `version`, and the arguments and the result with their types. A compiled function says
// nothing of its content: give it another version when you change what it does. Failures are not kept.
//
// A folder may be shared by processes and threads: an entry is written beside its place and moved there, and carries a checksum and its
// key, so that one that was cut off or damaged counts as missing. What is given and taken may be numbers, enums, std::string, and
// optionals, pairs, tuples, vectors, maps and sets of them; for a type of your own write beside it
//
//   void flow_pack(std::string& out, const Yours& value);     // flow_pack_part(out, value.name) for its parts
//   bool flow_unpack(std::string_view& in, Yours& value);     // false: it is damaged; flow_unpack_part(in, value.name)
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace gristmill {

class FlowCache {
 public:
  FlowCache();                             // in memory, the last 100,000 results
  explicit FlowCache(std::string folder);  // made when it is first written to
  int64_t hits() const;
  int64_t misses() const;
  void clear() const;
  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

namespace detail {

template <typename T>
concept OwnPacked = requires(std::string& out, std::string_view& in, T& value) {
  flow_pack(out, value);
  { flow_unpack(in, value) } -> std::same_as<bool>;
};
template <typename T>
concept Collection = requires(T& value, typename T::value_type part) {
  value.begin();
  value.size();
  value.insert(value.end(), std::move(part));
} && !requires { typename T::hasher; };  // those have no order

template <typename T>
struct Packed {
  static constexpr bool kCan = std::is_arithmetic_v<T> || std::is_enum_v<T> || OwnPacked<T>;
};
template <typename T>
  requires Collection<T> && (!OwnPacked<T>)
struct Packed<T> : Packed<std::remove_cvref_t<typename T::value_type>> {};
template <typename T>
struct Packed<std::optional<T>> : Packed<T> {};
template <typename A, typename B>
struct Packed<std::pair<A, B>> {
  static constexpr bool kCan = Packed<std::remove_const_t<A>>::kCan && Packed<B>::kCan;
};
template <typename... T>
struct Packed<std::tuple<T...>> {
  static constexpr bool kCan = (true && ... && Packed<T>::kCan);
};

template <typename T>
struct IsPair : std::false_type {};
template <typename A, typename B>
struct IsPair<std::pair<A, B>> : std::true_type {};
// What a collection is made of, as something that can be assigned to.
template <typename V>
struct PartOf {
  using Type = V;
};
template <typename A, typename B>
struct PartOf<std::pair<const A, B>> {
  using Type = std::pair<A, B>;
};
template <typename T>
struct IsTuple : std::false_type {};
template <typename... T>
struct IsTuple<std::tuple<T...>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

}  // namespace detail

template <typename T>
void flow_pack_part(std::string& out, const T& value) {
  if constexpr (detail::OwnPacked<T>) {
    flow_pack(out, value);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
  } else if constexpr (detail::IsOptional<T>::value) {
    flow_pack_part(out, value.has_value());
    if (value) flow_pack_part(out, *value);
  } else if constexpr (detail::IsPair<T>::value || detail::IsTuple<T>::value) {
    std::apply([&out](const auto&... part) { (flow_pack_part(out, part), ...); }, value);
  } else {
    flow_pack_part(out, static_cast<uint64_t>(value.size()));
    if constexpr (std::is_same_v<T, std::string>) {
      out += value;
    } else {
      for (const typename T::value_type& part : value) flow_pack_part(out, part);
    }
  }
}

template <typename T>
bool flow_unpack_part(std::string_view& in, T& value) {
  if constexpr (detail::OwnPacked<T>) {
    return flow_unpack(in, value);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    if (in.size() < sizeof(T)) return false;
    std::memcpy(&value, in.data(), sizeof(T));
    in.remove_prefix(sizeof(T));
    return true;
  } else if constexpr (detail::IsOptional<T>::value) {
    bool there = false;
    if (!flow_unpack_part(in, there)) return false;
    if (!there) return true;
    return flow_unpack_part(in, value.emplace());
  } else if constexpr (detail::IsPair<T>::value || detail::IsTuple<T>::value) {
    return std::apply([&in](auto&... part) { return (true && ... && flow_unpack_part(in, part)); }, value);
  } else {
    uint64_t size = 0;
    if (!flow_unpack_part(in, size)) return false;
    if constexpr (std::is_same_v<T, std::string>) {
      if (in.size() < size) return false;
      value.assign(in.substr(0, size));
      in.remove_prefix(size);
    } else {
      for (uint64_t i = 0; i < size; ++i) {
        typename detail::PartOf<typename T::value_type>::Type part{};
        if (!flow_unpack_part(in, part)) return false;
        value.insert(value.end(), std::move(part));
      }
    }
    return true;
  }
}

namespace detail {

// With the type, so that 1 and 1.0 are different.
template <typename T>
void pack_typed(std::string& out, const T& value) {
  flow_pack_part(out, std::string(typeid(T).name()));
  flow_pack_part(out, value);
}

}  // namespace detail
}  // namespace gristmill
