// A tar of the ustar kind, members in order of their names, times zero, through one gzip stream; files are copied in pieces.

#include "generate_archive.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>

namespace ocp {

namespace {

constexpr size_t kBlock = 512;

// A member's name, and its length in eight octal fields as the format has it.
arrow::Status write_header(arrow::io::OutputStream& out, const std::string& name, uint64_t bytes) {
  std::array<char, kBlock> h{};
  if (name.size() > 99) return arrow::Status::Invalid("the name ", name, " is too long for a tar archive");
  std::memcpy(h.data(), name.data(), name.size());
  const auto octal = [&](size_t at, int digits, uint64_t value) {
    std::snprintf(h.data() + at, static_cast<size_t>(digits) + 1, "%0*llo", digits, static_cast<unsigned long long>(value));
  };
  octal(100, 7, 0644);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, bytes);
  octal(136, 11, 0);
  std::memset(h.data() + 148, ' ', 8);
  h[156] = '0';
  std::memcpy(h.data() + 257,
              "ustar\0"
              "00",
              8);
  uint64_t sum = 0;
  for (const char c : h) sum += static_cast<unsigned char>(c);
  octal(148, 6, sum);
  return out.Write(h.data(), kBlock);
}

arrow::Status write_padding(arrow::io::OutputStream& out, uint64_t bytes) {
  static constexpr std::array<char, kBlock> kZeros{};
  const size_t rest = bytes % kBlock;
  return rest == 0 ? arrow::Status::OK() : out.Write(kZeros.data(), static_cast<int64_t>(kBlock - rest));
}

arrow::Status write_file(arrow::io::OutputStream& out, const std::filesystem::path& file) {
  const uint64_t bytes = std::filesystem::file_size(file);
  ARROW_RETURN_NOT_OK(write_header(out, file.filename().string(), bytes));
  std::ifstream in(file, std::ios::binary);
  std::vector<char> piece(1 << 20);
  uint64_t copied = 0;
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
    ARROW_RETURN_NOT_OK(out.Write(piece.data(), in.gcount()));
    copied += static_cast<uint64_t>(in.gcount());
  }
  if (copied != bytes) return arrow::Status::IOError("cannot read ", file.string());
  return write_padding(out, bytes);
}

std::string manifest(const std::vector<std::filesystem::path>& files, const Month& month) {
  std::string out = "{\n \"uuid\": \"" + month.source_uuid + "\",\n \"cluster_id\": \"" + month.cluster_id + "\",\n \"start\": \"" +
                    day_text(month.first_day) + "T00:00:00Z\",\n \"end\": \"" + day_text(month.last_day) + "T23:00:00Z\",\n \"files\": [";
  for (size_t i = 0; i < files.size(); ++i) out += (i ? ", \"" : "\"") + files[i].filename().string() + "\"";
  return out + "]\n}\n";
}

}  // namespace

arrow::Status pack_payload(const std::string& folder, const Month& month, const std::string& archive) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::FileOutputStream::Open(archive));
  ARROW_ASSIGN_OR_RAISE(auto codec, arrow::util::Codec::Create(arrow::Compression::GZIP));
  ARROW_ASSIGN_OR_RAISE(auto out, arrow::io::CompressedOutputStream::Make(codec.get(), file));
  const std::string about = manifest(files, month);
  ARROW_RETURN_NOT_OK(write_header(*out, "manifest.json", about.size()));
  ARROW_RETURN_NOT_OK(out->Write(about.data(), static_cast<int64_t>(about.size())));
  ARROW_RETURN_NOT_OK(write_padding(*out, about.size()));
  for (const auto& f : files) ARROW_RETURN_NOT_OK(write_file(*out, f));
  const std::vector<char> end(2 * kBlock);
  ARROW_RETURN_NOT_OK(out->Write(end.data(), static_cast<int64_t>(end.size())));
  ARROW_RETURN_NOT_OK(out->Close());
  std::filesystem::remove_all(folder);
  return arrow::Status::OK();
}

}  // namespace ocp
