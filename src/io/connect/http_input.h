// Files behind http:// and https://, read by ranges where the server gives them.
//
// Found by one request for the first byte: its answer says whether ranges are there, how long the file is, and by what (ETag, time of
// change) its version is known. Each range is checked against that version, so bytes of two never meet. From a server without ranges
// the file is read front to back; who wants to jump in it waits while it goes to a spill file.
//
// Passing faults (connections, time-outs, 408, 429, 5xx, bodies that end early) are tried again; a stream goes on where it broke off.
// Messages name the address without its query, which may hold a signature.
#pragma once

#include <string>

#include <arrow/result.h>

#include "io/open_input.h"

namespace gristmill::io {

arrow::Result<InputPtr> find_http(const std::string& url, const StoragePtr& storage);

}  // namespace gristmill::io
