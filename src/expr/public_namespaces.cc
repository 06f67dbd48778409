// The namespaces of gristmill/expr_namespaces.h: each method makes one call. Nothing is checked here; binding does that.

#include "gristmill/expr_namespaces.h"

#include <arrow/scalar.h>

#include "expr/node.h"

namespace gristmill {
namespace {

expr::NodePtr node_of(const Expr& e) { return e.node(); }
expr::NodePtr node_of(const std::string& s) { return expr::literal(std::string_view(s)); }
expr::NodePtr node_of(int v) { return expr::literal(static_cast<int64_t>(v)); }
expr::NodePtr node_of(bool v) { return expr::literal(v); }

template <typename... Args>
Expr make(const char* function, const Args&... args) {
  return Expr(expr::call(function, {node_of(args)...}));
}

}  // namespace

StringNamespace Expr::str() const { return StringNamespace(*this); }
TemporalNamespace Expr::dt() const { return TemporalNamespace(*this); }
ListNamespace Expr::list() const { return ListNamespace(*this); }
StructNamespace Expr::struct_() const { return StructNamespace(*this); }
MapNamespace Expr::map() const { return MapNamespace(*this); }
JsonNamespace Expr::json() const { return JsonNamespace(*this); }

Expr StringNamespace::join(std::string separator) const {
  return Expr(expr::aggregate("string_agg", {e_.node()}, {{"separator", std::make_shared<arrow::StringScalar>(std::move(separator))}}));
}
Expr StringNamespace::upper() const { return make("str.upper", e_); }
Expr StringNamespace::lower() const { return make("str.lower", e_); }
Expr StringNamespace::title() const { return make("str.title", e_); }
Expr StringNamespace::trim() const { return make("str.trim", e_); }
Expr StringNamespace::length() const { return make("str.length", e_); }
Expr StringNamespace::octet_length() const { return make("str.octet_length", e_); }
Expr StringNamespace::reverse() const { return make("str.reverse", e_); }
Expr StringNamespace::code_point() const { return make("str.code_point", e_); }
Expr StringNamespace::contains(Expr literal) const { return make("str.contains", e_, literal); }
Expr StringNamespace::starts_with(Expr prefix) const { return make("str.starts_with", e_, prefix); }
Expr StringNamespace::ends_with(Expr suffix) const { return make("str.ends_with", e_, suffix); }
Expr StringNamespace::like(Expr pattern) const { return make("str.like", e_, pattern); }
Expr StringNamespace::ilike(Expr pattern) const { return make("str.ilike", e_, pattern); }
Expr StringNamespace::substring(Expr start, Expr length) const { return make("str.substring", e_, start, length); }
Expr StringNamespace::left(Expr count) const { return make("str.left", e_, count); }
Expr StringNamespace::right(Expr count) const { return make("str.right", e_, count); }
Expr StringNamespace::find(Expr literal) const { return make("str.find", e_, literal); }
Expr StringNamespace::count(Expr literal) const { return make("str.count", e_, literal); }
Expr StringNamespace::strip_prefix(Expr prefix) const { return make("str.strip_prefix", e_, prefix); }
Expr StringNamespace::strip_suffix(Expr suffix) const { return make("str.strip_suffix", e_, suffix); }
Expr StringNamespace::replace(Expr from, Expr to) const { return make("str.replace", e_, from, to); }
Expr StringNamespace::translate(Expr characters, Expr by) const { return make("str.translate", e_, characters, by); }
Expr StringNamespace::concat(Expr other) const { return make("str.concat", e_, other); }
Expr StringNamespace::pad_start(Expr length, Expr fill) const { return make("str.pad_start", e_, length, fill); }
Expr StringNamespace::pad_end(Expr length, Expr fill) const { return make("str.pad_end", e_, length, fill); }
Expr StringNamespace::zfill(Expr length) const { return make("str.zfill", e_, length); }
Expr StringNamespace::repeat(Expr times) const { return make("str.repeat", e_, times); }
Expr StringNamespace::split(Expr separator) const { return make("str.split", e_, separator); }
Expr StringNamespace::split_part(Expr separator, Expr index) const { return make("str.split_part", e_, separator, index); }
Expr StringNamespace::levenshtein(Expr other) const { return make("str.levenshtein", e_, other); }
Expr StringNamespace::encode(std::string encoding) const { return make("str.encode", e_, encoding); }
Expr StringNamespace::decode(std::string encoding) const { return make("str.decode", e_, encoding); }
Expr StringNamespace::regex_contains(std::string pattern) const { return make("str.regex_contains", e_, pattern); }
Expr StringNamespace::regex_full_match(std::string pattern) const { return make("str.regex_full_match", e_, pattern); }
Expr StringNamespace::regex_replace(std::string pattern, std::string replacement) const {
  return make("str.regex_replace", e_, pattern, replacement);
}
Expr StringNamespace::regex_replace_first(std::string pattern, std::string replacement) const {
  return make("str.regex_replace_first", e_, pattern, replacement);
}
Expr StringNamespace::regex_extract(std::string pattern, int group) const { return make("str.regex_extract", e_, pattern, group); }
Expr StringNamespace::regex_extract_all(std::string pattern, int group) const { return make("str.regex_extract_all", e_, pattern, group); }
Expr StringNamespace::regex_find(std::string pattern) const { return make("str.regex_find", e_, pattern); }
Expr StringNamespace::regex_count(std::string pattern) const { return make("str.regex_count", e_, pattern); }
Expr StringNamespace::regex_split(std::string pattern) const { return make("str.regex_split", e_, pattern); }
Expr StringNamespace::strptime(std::string pattern) const { return make("str.strptime", e_, pattern); }
Expr StringNamespace::try_strptime(std::string pattern) const { return make("str.try_strptime", e_, pattern); }

Expr TemporalNamespace::year() const { return make("dt.year", e_); }
Expr TemporalNamespace::quarter() const { return make("dt.quarter", e_); }
Expr TemporalNamespace::month() const { return make("dt.month", e_); }
Expr TemporalNamespace::week() const { return make("dt.week", e_); }
Expr TemporalNamespace::iso_year() const { return make("dt.iso_year", e_); }
Expr TemporalNamespace::day() const { return make("dt.day", e_); }
Expr TemporalNamespace::hour() const { return make("dt.hour", e_); }
Expr TemporalNamespace::minute() const { return make("dt.minute", e_); }
Expr TemporalNamespace::second() const { return make("dt.second", e_); }
Expr TemporalNamespace::millisecond() const { return make("dt.millisecond", e_); }
Expr TemporalNamespace::microsecond() const { return make("dt.microsecond", e_); }
Expr TemporalNamespace::nanosecond() const { return make("dt.nanosecond", e_); }
Expr TemporalNamespace::weekday() const { return make("dt.weekday", e_); }
Expr TemporalNamespace::day_of_year() const { return make("dt.dayofyear", e_); }
Expr TemporalNamespace::days_in_month() const { return make("dt.days_in_month", e_); }
Expr TemporalNamespace::is_leap_year() const { return make("dt.is_leap_year", e_); }
Expr TemporalNamespace::last_day() const { return make("dt.last_day", e_); }
Expr TemporalNamespace::date() const { return make("dt.date", e_); }
Expr TemporalNamespace::epoch() const { return make("dt.epoch", e_); }
Expr TemporalNamespace::total_days() const { return make("dt.total_days", e_); }
Expr TemporalNamespace::total_hours() const { return make("dt.total_hours", e_); }
Expr TemporalNamespace::total_minutes() const { return make("dt.total_minutes", e_); }
Expr TemporalNamespace::total_seconds() const { return make("dt.total_seconds", e_); }
Expr TemporalNamespace::total_milliseconds() const { return make("dt.total_milliseconds", e_); }
Expr TemporalNamespace::total_microseconds() const { return make("dt.total_microseconds", e_); }
Expr TemporalNamespace::total_nanoseconds() const { return make("dt.total_nanoseconds", e_); }
Expr TemporalNamespace::wall_time() const { return make("dt.wall_time", e_); }
Expr TemporalNamespace::truncate(std::string unit) const { return make("dt.truncate", e_, unit); }
Expr TemporalNamespace::add(Expr amount, std::string unit) const { return make("dt.add", e_, amount, unit); }
Expr TemporalNamespace::add_months(Expr months) const { return make("dt.add_months", e_, months); }
Expr TemporalNamespace::diff(Expr start, std::string unit) const { return make("dt.diff", e_, start, unit); }
Expr TemporalNamespace::strftime(std::string pattern) const { return make("dt.strftime", e_, pattern); }
Expr TemporalNamespace::localize(std::string zone) const { return make("dt.localize", e_, zone); }
Expr TemporalNamespace::convert_zone(std::string zone) const { return make("dt.convert_zone", e_, zone); }

Expr ListNamespace::length() const { return make("list.length", e_); }
Expr ListNamespace::get(Expr index) const { return make("list.get", e_, index); }
Expr ListNamespace::contains(Expr value) const { return make("list.contains", e_, value); }
Expr ListNamespace::position(Expr value) const { return make("list.position", e_, value); }
Expr ListNamespace::slice(Expr start, Expr length) const { return make("list.slice", e_, start, length); }
Expr ListNamespace::sum() const { return make("list.sum", e_); }
Expr ListNamespace::mean() const { return make("list.mean", e_); }
Expr ListNamespace::min() const { return make("list.min", e_); }
Expr ListNamespace::max() const { return make("list.max", e_); }
Expr ListNamespace::sort(bool descending) const { return make("list.sort", e_, descending); }
Expr ListNamespace::unique() const { return make("list.unique", e_); }
Expr ListNamespace::reverse() const { return make("list.reverse", e_); }
Expr ListNamespace::concat(Expr other) const { return make("list.concat", e_, other); }
Expr ListNamespace::append(Expr value) const { return make("list.append", e_, value); }
Expr ListNamespace::join(Expr separator) const { return make("list.join", e_, separator); }

Expr StructNamespace::field(std::string name) const { return make("struct.field", e_, name); }

Expr MapNamespace::length() const { return make("list.length", e_); }
Expr MapNamespace::get(Expr key) const { return make("map.get", e_, key); }
Expr MapNamespace::contains_key(Expr key) const { return make("map.contains_key", e_, key); }
Expr MapNamespace::keys() const { return make("map.keys", e_); }
Expr MapNamespace::values() const { return make("map.values", e_); }
Expr MapNamespace::merge(Expr other) const { return make("map.merge", e_, other); }

Expr JsonNamespace::extract(std::string path) const { return make("json.extract", e_, path); }
Expr JsonNamespace::raw(std::string path) const { return make("json.raw", e_, path); }
Expr JsonNamespace::parse(std::string type, std::string path) const { return make("json.parse", e_, type, path); }
Expr JsonNamespace::try_parse(std::string type, std::string path) const { return make("json.try_parse", e_, type, path); }
Expr JsonNamespace::type(std::string path) const { return make("json.type", e_, path); }
Expr JsonNamespace::array_length(std::string path) const { return make("json.array_length", e_, path); }
Expr JsonNamespace::keys(std::string path) const { return make("json.keys", e_, path); }
Expr JsonNamespace::is_valid() const { return make("json.is_valid", e_); }
Expr JsonNamespace::to_map(std::string path) const { return make("json.to_map", e_, path); }

}  // namespace gristmill
