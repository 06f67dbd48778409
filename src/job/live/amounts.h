// Numbers as a person reads them at a glance: "1.23M", "98.1 MB", "0.81 ms", "1:05".
#pragma once

#include <cstdint>
#include <string>

namespace gristmill::job {

std::string short_count(double n);       // three digits and a unit: "999", "1.23k", "14.9M"
std::string short_bytes(double bytes);   // powers of ten: "120 MB"
std::string short_seconds(double s);     // a duration of work: "0.81 ms", "3.1 s", "2:05", "1 h 02 min"
std::string clock_seconds(double s);     // a running clock: "0:12", "1:02:09"
std::string whole_percent(double part);  // "61%"; rounded down, so that 100% means all

}  // namespace gristmill::job
