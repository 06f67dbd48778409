// What a person should hear while something goes on waiting: a server that does not answer yet.
//
// Not an error and not a log: a sentence, said once for a wait. It goes to the standard error stream, or to whoever asked for it. Thread safe.
#pragma once

#include <functional>
#include <string>

namespace gristmill::base {

void notice(const std::string& sentence);
// Null: the standard error stream again.
void hear_notices(std::function<void(const std::string& sentence)> hear);

}  // namespace gristmill::base
