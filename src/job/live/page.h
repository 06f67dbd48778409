// The web page with live graphs: files of this folder, held by the program.
#pragma once

namespace gristmill::job {

extern const char* const kPageHtml;
extern const char* const kPageScript;
extern const char* const kPageStyle;

}  // namespace gristmill::job
