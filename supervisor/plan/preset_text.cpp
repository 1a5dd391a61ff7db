// SPDX-License-Identifier: Apache-2.0
// A preset's JSON, read strictly: people write them, and a misspelt field would be a job that asks for something else.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "plan/preset.hpp"

namespace ckpt::plan {
namespace {

using nlohmann::json;

constexpr std::uint64_t largest_count = 1000000;

// The fields of one object; each is asked for once, and what nobody asked for is refused.
class Fields {
 public:
  Fields(const json& object, std::string file, std::string place)
      : object_(object), file_(std::move(file)), place_(std::move(place)) {
    if (!object.is_object()) refuse("", "must be an object, {…}");
  }

  std::string text(const char* name, bool required = false) {
    const json* value = find(name);
    if (!value && required) refuse(name, "is missing");
    if (!value) return {};
    if (!value->is_string() || value->get<std::string>().empty()) refuse(name, "must be a text in quotes, not empty");
    const std::string text = *value;
    if (text.find_first_of("\"\\\n") != std::string::npos) refuse(name, "must not hold \", \\ or a line end");
    return text;
  }
  std::uint64_t count(const char* name, bool required = false) {
    const json* value = find(name);
    if (!value && required) refuse(name, "is missing");
    if (value && (!value->is_number_unsigned() || value->get<std::uint64_t>() > largest_count))
      refuse(name, fmt::format("must be a whole number, at most {}", largest_count));
    return value ? value->get<std::uint64_t>() : 0;
  }
  bool flag(const char* name) {
    const json* value = find(name);
    if (value && !value->is_boolean()) refuse(name, "must be true or false");
    return value && value->get<bool>();
  }
  // "64G"
  std::string memory(const char* name) {
    const std::string size = text(name);
    const bool digits = std::all_of(size.begin(), size.end() - !size.empty(), [](unsigned char c) { return std::isdigit(c); });
    if (!size.empty() && (size.size() < 2 || !digits || std::string("KMGT").find(size.back()) == std::string::npos))
      refuse(name, "must be a size as \"64G\"");
    return size;
  }
  std::string date(const char* name) {
    const std::string date = text(name, true);
    constexpr std::string_view shape = "0000-00-00";
    const auto fits = [](unsigned char is, char wanted) { return wanted == '0' ? std::isdigit(is) != 0 : is == wanted; };
    if (!std::equal(date.begin(), date.end(), shape.begin(), shape.end(), fits))
      refuse(name, "must be a date as \"2026-11-01\"");
    return date;
  }
  std::optional<double> time(const char* name) try {
    const std::string limit = text(name);
    return limit.empty() ? std::nullopt : std::optional(parse_duration(limit));
  } catch (const Error&) {
    refuse(name, "must be a time as \"3-00:00:00\" or \"36h\"");
  }
  json list(const char* name) {
    const json* value = find(name);
    if (value && !value->is_array()) refuse(name, "must be a list, […]");
    return value ? *value : json::array();
  }
  Fields inner(const json& object, const std::string& place) const { return {object, file_, path(place)}; }
  Fields object(const char* name) {
    const json* value = find(name);
    return inner(value ? *value : json::object(), name);
  }
  void refuse_others() const {
    for (const auto& [name, value] : object_.items())
      if (!known_.contains(name)) refuse(name, "is not known; docs/sites.md lists the fields");
  }
  [[noreturn]] void refuse(const std::string& name, const std::string& why) const {
    fail(CKPT_ERR_CONFIG, "the site preset {}: {} {}", file_, path(name), why);
  }

 private:
  const json* find(const char* name) {
    known_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }
  std::string path(const std::string& name) const {
    if (name.empty()) return place_.empty() ? "it" : place_;
    return place_.empty() ? name : place_ + '.' + name;
  }

  json object_;
  std::string file_, place_;
  std::set<std::string> known_;
};

Offer offer_of(Fields fields) {
  Offer offer;
  offer.most_gpus = fields.count("most_gpus", true);
  offer.gpus = fields.text("gpus", offer.most_gpus > 0);
  if (!offer.gpus.empty() && (!offer.gpus.starts_with("--") || offer.gpus.find("{gpus}") == std::string::npos))
    fields.refuse("gpus", "must be an option of a job with {gpus} in it, as \"--gres=gpu:{gpus}\"");
  offer.gpu_type = fields.text("gpu_type");
  offer.disk_gb = fields.count("disk_gb", offer.gpus.find("{disk_gb}") != std::string::npos);
  offer.cpus_per_gpu = fields.count("cpus_per_gpu");
  offer.memory_per_gpu = fields.memory("memory_per_gpu");
  offer.memory_per_cpu = fields.memory("memory_per_cpu");
  offer.partition = fields.text("partition");
  offer.limit_seconds = fields.time("limit");
  fields.refuse_others();
  return offer;
}

void check_sources(Fields& fields) {
  const json sources = fields.list("sources");
  for (std::size_t i = 0; i < sources.size(); ++i) {
    Fields source = fields.inner(sources[i], fmt::format("sources[{}]", i));
    for (const char* name : {"url", "date", "says"}) source.text(name, true);
    source.refuse_others();
  }
}

void take_account(Fields fields, Preset& preset) {
  preset.account_form = fields.text("form");
  preset.account_required = fields.flag("required");
  fields.refuse_others();
}

void take_places(Fields& fields, Preset& preset) {
  preset.scratch = fields.text("scratch");
  preset.runs = fields.text("runs", !preset.scratch.empty());
  if (preset.scratch.empty() && !preset.runs.empty()) fields.refuse("scratch", "is missing, and runs stands on it");
  preset.node_disk = fields.text("node_disk");
  const auto is_of_name = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  if (!std::all_of(preset.node_disk.begin(), preset.node_disk.end(), is_of_name))
    fields.refuse("node_disk", "must be the name of a variable, without $");
}

}  // namespace

Preset parse_preset(const std::string& name, const std::string& text, const std::string& where) {
  const json read = json::parse(text, nullptr, false);
  if (read.is_discarded()) fail(CKPT_ERR_CONFIG, "the site preset {} is no JSON: mend it, or move it away", where);
  Fields fields(read, where, "");
  Preset preset;
  preset.name = name;
  preset.title = fields.text("title", true);
  preset.date = fields.date("date");
  preset.note = fields.text("note");
  for (const json& cluster : fields.list("clusters")) {
    if (!cluster.is_string()) fields.refuse("clusters", "must be a list of names");
    preset.clusters.push_back(cluster);
  }
  check_sources(fields);
  preset.picks_partition = fields.flag("picks_partition");
  const json offers = fields.list("offers");
  if (offers.empty()) fields.refuse("offers", "is missing: what jobs may ask for");
  for (std::size_t i = 0; i < offers.size(); ++i)
    preset.offers.push_back(offer_of(fields.inner(offers[i], fmt::format("offers[{}]", i))));
  take_account(fields.object("account"), preset);
  take_places(fields, preset);
  fields.refuse_others();
  return preset;
}

}  // namespace ckpt::plan
