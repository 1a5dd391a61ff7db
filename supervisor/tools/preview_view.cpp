// SPDX-License-Identifier: Apache-2.0
#include "tools/preview_view.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "base/quantity.hpp"
#include "tools/table.hpp"

namespace ckpt::tools {
namespace {

using supervisor::Action;
using supervisor::ChainOptions;
using supervisor::Preview;

std::string start_text(const Preview& preview) {
  std::string text = "start from " + preview.decision.reason;
  if (preview.decision.action == Action::resume && !preview.keeps_own) text += ", not verified (ckpt verify does)";
  if (!preview.damaged.empty()) text += fmt::format("; damaged: {}", fmt::join(preview.damaged, ", "));
  return preview.moves_old_run ? text + "; the old run is moved aside first" : text;
}

std::string what_it_does(const Preview& preview) {
  switch (preview.decision.action) {
    case Action::start_fresh:
    case Action::resume: return start_text(preview);
    case Action::wait_for_owner: return "wait: in use by " + preview.decision.reason;
    case Action::complete: return "nothing: " + preview.decision.reason;
    default: return fmt::format("not start: {}", preview.decision.reason);
  }
}

std::string run_text(const Preview& preview) {
  if (!preview.exists) return preview.refusal.empty() ? "new" : "none that could be used";
  return fmt::format("{}, {}{}", count_of(preview.blocks, "block"), count_of(preview.snapshots, "snapshot"),
                     preview.progress.empty() ? "" : ", " + preview.progress);
}

std::string end_text(const Preview& preview) {
  if (preview.end_source.empty()) return "none";
  return fmt::format("in {}, by {}", format_duration(preview.seconds_left), preview.end_source);
}

std::string why_unknown(const Preview& preview) {
  return preview.uses_libckpt ? "not known before the first block" : "not known: the program uses no libckpt";
}

Cell need_text(const Preview& preview, std::uint64_t needed, std::uint64_t there, const std::string& what) {
  const std::string has = fmt::format("{} {}", format_size(there), what);
  if (needed == 0) return fmt::format("{}; need: {}", has, why_unknown(preview));
  return Cell(fmt::format("{}; {} needed", has, format_size(needed)), needed <= there ? Tone::good : Tone::bad);
}

Cell memory_text(const Preview& preview) {
  if (preview.memory_allowed == 0) return "no staging area: the program waits while a snapshot is written";
  const std::string by = preview.staging_size.empty() ? "" : ", by --staging-size";
  return need_text(preview, preview.memory_needed, preview.memory_allowed, "allowed for the staging area" + by);
}

void print_text(const Preview& preview, const ChainOptions& options) {
  Table table({{""}, {""}});
  table.add({"run", Cell(options.run.name, Tone::bold)});
  table.add({"named after", options.run.named_after});
  table.add({"directory", options.run.directory});
  table.add({"is", run_text(preview)});
  table.add({"command", supervisor::join_command(options.command)});
  for (const supervisor::Archive& archive : options.preparation.archives)
    table.add({"  data", fmt::format("{}, {}", archive.path, format_size(archive.size_bytes))});
  if (!preview.changed_command.empty()) table.add({"  changed", Cell(preview.changed_command, Tone::warning)});
  table.add({"would", preview.refusal.empty() ? Cell(what_it_does(preview)) : Cell("refuse: " + preview.refusal, Tone::bad)});
  table.add({"end", end_text(preview)});
  table.add({"disk", need_text(preview, preview.disk_needed, preview.disk_free, "free")});
  table.add({"memory", memory_text(preview)});
  table.print();
}

Json size_or_null(std::uint64_t bytes) { return bytes > 0 ? Json(bytes) : Json(); }

void print_as_json(const Preview& preview, const ChainOptions& options) {
  print_json({{"run", options.run.name},
              {"named_after", options.run.named_after},
              {"directory", options.run.directory},
              {"exists", preview.exists},
              {"blocks", preview.blocks},
              {"snapshots", preview.snapshots},
              {"command", options.command},
              {"changed_command", preview.changed_command.empty() ? Json() : Json(preview.changed_command)},
              {"refusal", preview.refusal.empty() ? Json() : Json(preview.refusal)},
              {"action", preview.refusal.empty() ? Json(supervisor::name(preview.decision.action)) : Json()},
              {"reason", preview.refusal.empty() ? Json(preview.decision.reason) : Json()},
              {"damaged", preview.damaged},
              {"moves_old_run", preview.moves_old_run},
              {"seconds_left", std::isfinite(preview.seconds_left) ? Json(preview.seconds_left) : Json()},
              {"end_source", preview.end_source.empty() ? Json() : Json(preview.end_source)},
              {"disk_needed_bytes", size_or_null(preview.disk_needed)},
              {"disk_free_bytes", preview.disk_free},
              {"memory_needed_bytes", size_or_null(preview.memory_needed)},
              {"memory_allowed_bytes", preview.memory_allowed}});
}

}  // namespace

void print_preview(const Preview& preview, const ChainOptions& options, Format format) {
  if (format == Format::json) print_as_json(preview, options);
  else print_text(preview, options);
}

}  // namespace ckpt::tools
