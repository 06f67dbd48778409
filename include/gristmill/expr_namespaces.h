// The functions of one kind of value: col("s").str().upper(), col("t").dt().year(), col("l").list().length().
//
// docs/functions.md says what each one does. Patterns, units, paths and zones are constants.
#pragma once

#include <string>

#include "gristmill/expr.h"

namespace gristmill {

// Text: lengths and positions count code points, positions from 0.
class StringNamespace {
 public:
  explicit StringNamespace(Expr e) : e_(std::move(e)) {}
  Expr join(std::string separator = "") const;  // an aggregate: the values that are not NULL as text, in the order of the rows
  Expr upper() const;
  Expr lower() const;
  Expr title() const;
  Expr trim() const;
  Expr length() const;  // code points
  Expr octet_length() const;
  Expr reverse() const;
  Expr code_point() const;
  Expr contains(Expr literal) const;
  Expr starts_with(Expr prefix) const;
  Expr ends_with(Expr suffix) const;
  Expr like(Expr pattern) const;  // % and _, backslash escapes
  Expr ilike(Expr pattern) const;
  Expr substring(Expr start, Expr length) const;  // from 0, code points
  Expr left(Expr count) const;                    // negative: all but so many
  Expr right(Expr count) const;
  Expr find(Expr literal) const;  // from 0; NULL if there is none
  Expr count(Expr literal) const;
  Expr strip_prefix(Expr prefix) const;
  Expr strip_suffix(Expr suffix) const;
  Expr replace(Expr from, Expr to) const;
  Expr translate(Expr characters, Expr by) const;
  Expr concat(Expr other) const;
  Expr pad_start(Expr length, Expr fill) const;
  Expr pad_end(Expr length, Expr fill) const;
  Expr zfill(Expr length) const;
  Expr repeat(Expr times) const;
  Expr split(Expr separator) const;                   // list<string>
  Expr split_part(Expr separator, Expr index) const;  // from 0, negative from the end
  Expr levenshtein(Expr other) const;
  Expr encode(std::string encoding) const;  // "hex" or "base64"
  Expr decode(std::string encoding) const;
  Expr regex_contains(std::string pattern) const;  // RE2's dialect
  Expr regex_full_match(std::string pattern) const;
  Expr regex_replace(std::string pattern, std::string replacement) const;  // \\1 is a group
  Expr regex_replace_first(std::string pattern, std::string replacement) const;
  Expr regex_extract(std::string pattern, int group = 0) const;  // NULL without a match
  Expr regex_extract_all(std::string pattern, int group = 0) const;
  Expr regex_find(std::string pattern) const;
  Expr regex_count(std::string pattern) const;
  Expr regex_split(std::string pattern) const;
  Expr strptime(std::string pattern) const;
  Expr try_strptime(std::string pattern) const;

 private:
  Expr e_;
};

// Dates, timestamps, durations.
class TemporalNamespace {
 public:
  explicit TemporalNamespace(Expr e) : e_(std::move(e)) {}
  Expr year() const;
  Expr quarter() const;
  Expr month() const;
  Expr week() const;
  Expr iso_year() const;
  Expr day() const;
  Expr hour() const;
  Expr minute() const;
  Expr second() const;
  Expr millisecond() const;
  Expr microsecond() const;
  Expr nanosecond() const;
  Expr weekday() const;  // ISO: Monday = 1
  Expr day_of_year() const;
  Expr days_in_month() const;
  Expr is_leap_year() const;
  Expr last_day() const;
  Expr date() const;
  Expr epoch() const;
  Expr total_days() const;
  Expr total_hours() const;
  Expr total_minutes() const;
  Expr total_seconds() const;
  Expr total_milliseconds() const;
  Expr total_microseconds() const;
  Expr total_nanoseconds() const;
  Expr wall_time() const;
  Expr truncate(std::string unit) const;  // millennium ... microsecond
  Expr add(Expr amount, std::string unit) const;
  Expr add_months(Expr months) const;
  Expr diff(Expr start, std::string unit) const;  // begins of the unit between
  Expr strftime(std::string pattern) const;
  Expr localize(std::string zone) const;
  Expr convert_zone(std::string zone) const;

 private:
  Expr e_;
};

// Lists.
class ListNamespace {
 public:
  explicit ListNamespace(Expr e) : e_(std::move(e)) {}
  Expr length() const;
  Expr get(Expr index) const;  // from 0, negative from the end; NULL beyond
  Expr contains(Expr value) const;
  Expr position(Expr value) const;
  Expr slice(Expr start, Expr length) const;
  Expr sum() const;
  Expr mean() const;
  Expr min() const;
  Expr max() const;
  Expr sort(bool descending = false) const;  // NULLs last
  Expr unique() const;
  Expr reverse() const;
  Expr concat(Expr other) const;
  Expr append(Expr value) const;
  Expr join(Expr separator) const;

 private:
  Expr e_;
};

// Structs.
class StructNamespace {
 public:
  explicit StructNamespace(Expr e) : e_(std::move(e)) {}
  Expr field(std::string name) const;

 private:
  Expr e_;
};

// Maps.
class MapNamespace {
 public:
  explicit MapNamespace(Expr e) : e_(std::move(e)) {}
  Expr length() const;
  Expr get(Expr key) const;
  Expr contains_key(Expr key) const;
  Expr keys() const;
  Expr values() const;
  Expr merge(Expr other) const;

 private:
  Expr e_;
};

// Text that is JSON.
class JsonNamespace {
 public:
  explicit JsonNamespace(Expr e) : e_(std::move(e)) {}
  Expr extract(std::string path) const;                        // as text; $.a[0].b
  Expr raw(std::string path) const;                            // as JSON
  Expr parse(std::string type, std::string path = "$") const;  // struct<a:int64,...>
  Expr try_parse(std::string type, std::string path = "$") const;
  Expr type(std::string path = "$") const;
  Expr array_length(std::string path = "$") const;
  Expr keys(std::string path = "$") const;
  Expr is_valid() const;
  Expr to_map(std::string path = "$") const;

 private:
  Expr e_;
};

}  // namespace gristmill
