// SPDX-License-Identifier: Apache-2.0
#include "doctor/mount.hpp"

#include <algorithm>
#include <sstream>

namespace ckpt::supervisor::doctor {
namespace {

// Spaces and the like stand as "\040".
std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    result += escaped ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (escaped) i += 3;
  }
  return result;
}

bool is_below(const std::string& path, const std::string& point) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

// "36 35 98:0 /root /mount/point options optional… - type source super-options"
Mount parse_line(const std::string& line) {
  std::istringstream words(line.substr(0, line.find(" - ")));
  std::string skipped, point;
  words >> skipped >> skipped >> skipped >> skipped >> point;
  Mount mount;
  mount.point = unescaped(point);
  if (const auto separator = line.find(" - "); separator != std::string::npos) {
    std::istringstream rest(line.substr(separator + 3));
    rest >> mount.type >> mount.source;
  }
  mount.source = unescaped(mount.source);
  return mount;
}

}  // namespace

// Of two mounts on one point the later one hides the other.
Mount mount_of(const std::string& mountinfo, const std::string& absolute_path) {
  Mount found;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    Mount mount = parse_line(line);
    const bool nearer = !mount.point.empty() && mount.point.size() >= found.point.size();
    if (nearer && is_below(absolute_path, mount.point)) found = std::move(mount);
  }
  return found;
}

}  // namespace ckpt::supervisor::doctor
