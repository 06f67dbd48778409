// What a word of a statement may become: keywords, functions, tables and columns of a session, files in quotes.
#pragma once

#include <string>

#include "cli/line_editor.h"
#include "gristmill/session.h"

namespace gristmill::cli {

Completion complete_statement(const Session& session, const std::string& text, size_t cursor);

}  // namespace gristmill::cli
