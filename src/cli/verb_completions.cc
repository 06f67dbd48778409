// gristmill completions SHELL: scripts for bash, zsh and fish, from the tables of verbs and flags.

#include <algorithm>

#include "base/status.h"
#include "cli/help.h"
#include "cli/output.h"

namespace gristmill::cli {
namespace {

std::string verb_names() {
  std::string out;
  for (const Verb& v : verbs()) {
    if (*v.name) out += (out.empty() ? "" : " ") + std::string(v.name);
  }
  return out;
}

std::string flags_of(unsigned verb) {
  std::string out;
  for (const Flag& f : flags()) {
    if ((f.verbs & verb) == 0) continue;
    out += (out.empty() ? "" : " ") + std::string(f.name);
    if (*f.letter) out += " " + std::string(f.letter);
  }
  return out;
}

// What the operands of a verb complete to.
std::string words_of(const Verb& v) {
  if (v.id == VerbId::kHelp) return verb_names();
  return v.id == VerbId::kCompletions ? "bash zsh fish" : std::string{};
}

std::string joined(std::string words, char by) {
  std::replace(words.begin(), words.end(), ' ', by);
  return words;
}

std::string bash_value(const Flag& f) {
  if (f.choices) return "COMPREPLY=($(compgen -W '" + std::string(f.choices) + "' -- \"$word\"))";
  return std::string(f.value) == "FILE" ? "COMPREPLY=($(compgen -f -- \"$word\"))" : "COMPREPLY=()";
}

std::string bash() {
  std::string out =
      "# bash completion of gristmill\n_gristmill() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb= flags= words= files=1 i\n"
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n    case ${COMP_WORDS[i]} in\n      " +
      joined(verb_names(), '|') + ") verb=${COMP_WORDS[i]}; break ;;\n    esac\n  done\n  case $before in\n";
  for (const Flag& f : flags()) {
    if (f.value == nullptr) continue;
    out += "    " + std::string(f.name) + (*f.letter ? "|" + std::string(f.letter) : "") + ") " + bash_value(f) + "; return ;;\n";
  }
  out += "  esac\n  case $verb in\n";
  for (const Verb& v : verbs()) {
    const std::string words = *v.name ? words_of(v) : verb_names();
    out += "    " + std::string(*v.name ? v.name : "''") + ") flags='" + flags_of(bit(v.id)) + "' words='" + words + "'" +
           (*v.name && !words.empty() ? " files=" : "") + " ;;\n";
  }
  return out +
         "  esac\n  if [[ $word == -* && $word != - ]]; then\n    COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n    return\n  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n  if [[ -n $files ]]; then COMPREPLY+=($(compgen -f -- \"$word\")); fi\n}\n"
         "complete -o filenames -F _gristmill gristmill\n";
}

// Inside single quotes of zsh and fish; brackets and colons mean something to _arguments.
std::string quoted(const std::string& text, bool zsh) {
  std::string out;
  for (const char c : text) {
    if (c == '\'')
      out += zsh ? "'\\''" : "\\'";
    else if (zsh && (c == '[' || c == ']' || c == ':'))
      out += std::string("\\") + c;
    else
      out += c;
  }
  return out;
}

std::string zsh_flag(const Flag& f) {
  std::string action;
  if (f.value) {
    action = std::string(":") + f.value + ":" +
             (f.choices                        ? "(" + std::string(f.choices) + ")"
              : std::string(f.value) == "FILE" ? "_files"
                                               : "");
  }
  std::string out;
  for (const char* name : {f.letter, f.name}) {
    if (*name) out += " \\\n        '" + std::string(name) + "[" + quoted(f.help, true) + "]" + action + "'";
  }
  return out;
}

std::string zsh() {
  std::string out = "#compdef gristmill\n# zsh completion of gristmill\n_gristmill() {\n  local -a verbs=(\n";
  for (const Verb& v : verbs()) {
    if (*v.name) out += "    '" + std::string(v.name) + ":" + quoted(v.summary, true) + "'\n";
  }
  out +=
      "  )\n  local verb=${words[2]}\n  if (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then\n    _describe verb verbs\n    _files\n    "
      "return\n  fi\n  case $verb in\n";
  for (const Verb& v : verbs()) {
    if (!*v.name) continue;
    const std::string words = words_of(v);
    out += "    " + std::string(v.name) + ")\n      shift words; (( CURRENT-- ))\n      _arguments -S";
    for (const Flag& f : flags()) {
      if ((f.verbs & bit(v.id)) != 0) out += zsh_flag(f);
    }
    out += " \\\n        '*::operand:" + (words.empty() ? "_files" : "(" + words + ")") + "' ;;\n";
  }
  out += "    *)\n      _arguments -S";
  for (const Flag& f : flags()) {
    if ((f.verbs & bit(VerbId::kQuery)) != 0) out += zsh_flag(f);
  }
  return out +
         " \\\n        '*::query:_files' ;;\n  esac\n}\nif [ \"$funcstack[1]\" = _gristmill ]; then _gristmill \"$@\"; else compdef "
         "_gristmill gristmill; fi\n";
}

std::string fish() {
  std::string out = "# fish completion of gristmill\nset -l verbs " + verb_names() + "\n";
  for (const Verb& v : verbs()) {
    if (*v.name)
      out += "complete -c gristmill -n \"not __fish_seen_subcommand_from $verbs\" -a " + std::string(v.name) + " -d '" +
             quoted(v.summary, false) + "'\n";
  }
  for (const Verb& v : verbs()) {
    const std::string when = *v.name ? "__fish_seen_subcommand_from " + std::string(v.name) : "not __fish_seen_subcommand_from $verbs";
    for (const Flag& f : flags()) {
      if ((f.verbs & bit(v.id)) == 0) continue;
      out += "complete -c gristmill -n \"" + when + "\" -l " + (f.name + 2) + (*f.letter ? std::string(" -s ") + (f.letter + 1) : "") +
             (f.choices                                   ? " -x -a '" + std::string(f.choices) + "'"
              : f.value && std::string(f.value) == "FILE" ? " -r -F"
              : f.value                                   ? " -x"
                                                          : "") +
             " -d '" + quoted(f.help, false) + "'\n";
    }
    if (const std::string words = words_of(v); !words.empty()) out += "complete -c gristmill -f -n \"" + when + "\" -a '" + words + "'\n";
  }
  return out;
}

}  // namespace

arrow::Status run_completions(const Command& command) {
  const std::string& shell = command.operands[0];
  if (shell == "bash")
    write_out(bash());
  else if (shell == "zsh")
    write_out(zsh());
  else if (shell == "fish")
    write_out(fish());
  else
    return base::plan_error("no completions for \"" + shell + "\"", base::suggest_name(shell, {"bash", "zsh", "fish"}));
  return arrow::Status::OK();
}

}  // namespace gristmill::cli
