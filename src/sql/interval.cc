// Calendar arithmetic of constants by <chrono>; no zones are involved: the session's zone is UTC.

#include "sql/interval.h"

#include <chrono>
#include <cstdlib>
#include <sstream>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::sqltext {
namespace {

constexpr int64_t kDayMicros = int64_t{86400} * 1000000;

struct Unit {
  const char* name;
  int mask;  // the grammar's field mask (1 << field) of `interval '1' unit`
  int64_t months, days, micros;
};
constexpr Unit kUnits[] = {{"year", 1 << 2, 12, 0, 0},         {"month", 1 << 1, 1, 0, 0},          {"week", 0, 0, 7, 0},
                           {"day", 1 << 3, 0, 1, 0},           {"hour", 1 << 10, 0, 0, 3600000000}, {"minute", 1 << 11, 0, 0, 60000000},
                           {"second", 1 << 12, 0, 0, 1000000}, {"millisecond", 0, 0, 0, 1000},      {"microsecond", 0, 0, 0, 1}};

const Unit* unit_named(std::string name) {
  if (name.size() > 1 && name.back() == 's') name.pop_back();
  for (const auto& u : kUnits) {
    if (name == u.name) return &u;
  }
  return nullptr;
}

void add(Interval& i, const Unit& u, int64_t n) {
  i.months += u.months * n;
  i.days += u.days * n;
  i.micros += u.micros * n;
}

int64_t shift_days(int64_t day, const Interval& by) {
  using namespace std::chrono;
  if (by.months != 0) {
    year_month_day ymd{sys_days{days{day}}};
    year_month target = year_month{ymd.year(), ymd.month()} + months{by.months};
    const std::chrono::day last = year_month_day_last{target.year(), month_day_last{target.month()}}.day();
    day = sys_days{year_month_day{target.year(), target.month(), std::min(ymd.day(), last)}}.time_since_epoch().count();
  }
  return day + by.days;
}

bool read_number(const std::string& s, size_t& at, int digits, int64_t& out) {
  out = 0;
  for (int i = 0; i < digits; ++i, ++at) {
    if (at >= s.size() || s[at] < '0' || s[at] > '9') return false;
    out = out * 10 + (s[at] - '0');
  }
  return true;
}

}  // namespace

arrow::Result<Interval> interval_of(const PgQuery__TypeCast& c, const ParsedText& text) {
  const PgQuery__Node& n = *c.arg;
  if (n.node_case != PG_QUERY__NODE__NODE_A_CONST || n.a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL) {
    return text.error("an interval that is not a constant is not supported yet", c.location);
  }
  const std::string s = n.a_const->sval->sval;
  Interval out;
  const PgQuery__TypeName& t = *c.type_name;
  if (t.n_typmods > 0 && t.typmods[0]->node_case == PG_QUERY__NODE__NODE_A_CONST) {
    char* end = nullptr;
    const int64_t count = std::strtoll(s.c_str(), &end, 10);
    for (const auto& u : kUnits) {
      if (u.mask == t.typmods[0]->a_const->ival->ival && u.mask != 0 && end && *end == '\0' && !s.empty()) {
        add(out, u, count);
        return out;
      }
    }
  }
  std::istringstream words(s);
  int64_t count;
  std::string unit;
  bool any = false;
  while (words >> count >> unit) {
    const Unit* u = unit_named(unit);
    if (!u) return text.error("unknown interval unit \"" + unit + "\"", c.location);
    add(out, *u, count);
    any = true;
  }
  if (!any || !words.eof()) return text.error("cannot read interval '" + s + "'", c.location);
  return out;
}

arrow::Result<expr::NodePtr> shift_literal(const expr::NodePtr& moment, const Interval& by) {
  if (moment->kind == expr::NodeKind::kLiteral && moment->value->is_valid) {
    if (moment->value->type->id() == arrow::Type::DATE32 && by.micros == 0) {
      const int64_t day = shift_days(static_cast<const arrow::Date32Scalar&>(*moment->value).value, by);
      return expr::literal(std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(day)), false);
    }
    int64_t micros = 0;
    std::shared_ptr<arrow::DataType> type = arrow::timestamp(arrow::TimeUnit::MICRO);
    bool known = true;
    if (moment->value->type->id() == arrow::Type::DATE32) {
      micros = static_cast<const arrow::Date32Scalar&>(*moment->value).value * kDayMicros;
    } else if (moment->value->type->id() == arrow::Type::TIMESTAMP &&
               static_cast<const arrow::TimestampType&>(*moment->value->type).unit() == arrow::TimeUnit::MICRO) {
      micros = static_cast<const arrow::TimestampScalar&>(*moment->value).value;
      type = moment->value->type;
    } else {
      known = false;
    }
    if (known) {
      int64_t day = micros / kDayMicros - (micros % kDayMicros < 0);
      const int64_t rest = micros - day * kDayMicros;
      day = shift_days(day, by);
      return expr::literal(std::make_shared<arrow::TimestampScalar>(day * kDayMicros + rest + by.micros, type), false);
    }
  }
  expr::NodePtr out = moment;  // months first, as PostgreSQL does
  const auto add = [&out](int64_t amount, std::string_view unit) {
    if (amount != 0) out = expr::call("dt.add", {out, expr::literal(amount), expr::literal(unit)});
  };
  add(by.months, "month");
  add(by.days, "day");
  add(by.micros, "microsecond");
  return out;
}

arrow::Result<std::shared_ptr<arrow::Scalar>> parse_moment(const std::string& s, const std::shared_ptr<arrow::DataType>& type) {
  using namespace std::chrono;
  size_t at = 0;
  int64_t y, m, d, hour = 0, minute = 0, second = 0, micros = 0;
  const auto bad = [&] {
    return base::plan_error("cannot read '" + s + "' as " + type->ToString() + "; write '2026-11-21' or '2026-11-21 12:30:00'");
  };
  if (!read_number(s, at, 4, y) || at >= s.size() || s[at++] != '-' || !read_number(s, at, 2, m) || at >= s.size() || s[at++] != '-' ||
      !read_number(s, at, 2, d))
    return bad();
  const year_month_day ymd{year{static_cast<int>(y)}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
  if (!ymd.ok()) return bad();
  if (at < s.size()) {
    if (s[at] != ' ' && s[at] != 'T') return bad();
    ++at;
    if (!read_number(s, at, 2, hour) || at >= s.size() || s[at++] != ':' || !read_number(s, at, 2, minute)) return bad();
    if (at < s.size() && s[at] == ':') {
      ++at;
      if (!read_number(s, at, 2, second)) return bad();
      if (at < s.size() && s[at] == '.') {
        int64_t unit = 100000;
        for (++at; at < s.size() && s[at] >= '0' && s[at] <= '9'; ++at, unit /= 10) micros += (s[at] - '0') * unit;
      }
    }
    if (at != s.size() || hour > 23 || minute > 59 || second > 59) return bad();
  }
  const int64_t days_since = sys_days{ymd}.time_since_epoch().count();
  if (type->id() == arrow::Type::DATE32) return std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(days_since));
  return std::make_shared<arrow::TimestampScalar>(days_since * kDayMicros + ((hour * 60 + minute) * 60 + second) * 1000000 + micros, type);
}

}  // namespace gristmill::sqltext
