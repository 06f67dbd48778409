// gristmill man: the manual page in roff.

#include "cli/help.h"
#include "cli/output.h"

namespace gristmill::cli {
namespace {

// Text as roff shows it unchanged.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else
      out += c;
  }
  if (!out.empty() && out[0] == '.') out.insert(0, "\\&");
  return out;
}

std::string flag_entry(const Flag& f) {
  std::string names = *f.letter ? "\\fB" + roff(f.letter) + "\\fR, " : std::string{};
  names += "\\fB" + roff(f.name) + "\\fR" + (f.value ? " \\fI" + roff(f.value) + "\\fR" : "");
  std::string takers;
  for (const Verb& v : verbs()) {
    if ((f.verbs & bit(v.id)) != 0) takers += (takers.empty() ? "" : ", ") + std::string(*v.name ? v.name : "a query");
  }
  std::string text = f.help;
  if (f.choices) text += " (" + std::string(f.choices) + ")";
  if (f.verbs != ~0U) text += ". Taken by " + takers;
  return ".TP\n" + names + "\n" + roff(text) + ".\n";
}

}  // namespace

arrow::Status run_man(const Command&) {
  std::string out =
      ".TH GRISTMILL 1 \"\" \"gristmill 0.1.0\" \"User Commands\"\n.SH NAME\ngristmill \\- queries over files, on every core\n.SH "
      "SYNOPSIS\n";
  for (const Verb& v : verbs()) {
    out += ".B gristmill" + (*v.name ? " " + roff(v.name) : std::string{}) + "\n" +
           (*v.operands ? "\\fI" + roff(v.operands) + "\\fR\n" : std::string{}) + ".br\n";
  }
  out += ".SH DESCRIPTION\n" +
         roff(
             "FILE is a path, a pattern in quotes, an address, or - for the standard input (with --format). Data goes to the standard "
             "output, everything "
             "else to the standard error.") +
         "\n.SH VERBS\n";
  for (const Verb& v : verbs()) {
    out += ".TP\n.B " + roff(*v.name ? v.name : v.operands) + "\n" + roff(v.text) + "\n.IP\n" + roff(v.example) + "\n";
  }
  out += ".SH OPTIONS\n";
  for (const Flag& f : flags()) out += flag_entry(f);
  out +=
      ".SH EXIT STATUS\n0 done; 1 it failed; 2 wrong usage; 3 a verification differs; 130 interrupted; 143 terminated.\n.SH ENVIRONMENT\n" +
      roff("GRISTMILL_WORKERS, GRISTMILL_MEMORY, GRISTMILL_SPILL_DIR, GRISTMILL_SIMD: defaults of flags; a flag wins.") + "\n";
  write_out(out);
  return arrow::Status::OK();
}

}  // namespace gristmill::cli
