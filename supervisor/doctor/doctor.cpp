// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "doctor/checks.hpp"
#include "tools/find_run.hpp"
#include "tools/run_view.hpp"
#include "tools/terminal.hpp"
#include "tools/verbs.hpp"

namespace ckpt::supervisor::doctor {
namespace {

using tools::Json;
using tools::Tone;

Tone tone(Verdict verdict) {
  switch (verdict) {
    case Verdict::good: return Tone::good;
    case Verdict::warning: return Tone::warning;
    case Verdict::unknown: return Tone::faint;
  }
  return Tone::plain;
}

std::string place_text(const Facts& facts) {
  if (!facts.has_slurm()) return "no Slurm";
  const slurm::Configuration& site = facts.site.configuration;
  return fmt::format("cluster {}, Slurm {}, {}", site.cluster(), site.version(),
                     facts.place.place == slurm::Place::in_job ? "in a job" : "outside of jobs");
}

std::ptrdiff_t count(const Findings& findings, Verdict verdict) {
  return std::ranges::count(findings, verdict, &Finding::verdict);
}

// "warning    signals without exec  ", and what is to be said beside it, also over several lines.
class Sheet {
 public:
  explicit Sheet(const Findings& findings) {
    for (const Finding& finding : findings) subject_width_ = std::max(subject_width_, tools::display_width(finding.subject));
    if (const auto columns = tools::terminal_columns()) text_columns_ = std::max(*columns, margin() + least_columns) - margin();
  }
  void add(const Finding& finding) const {
    const std::string verdict = name(finding.verdict);
    const std::string padding(verdict_width - verdict.size() + 2, ' ');
    add(fmt::format("{}{}{:{}}  ", tools::paint(tone(finding.verdict), verdict), padding, finding.subject, subject_width_),
        finding.text);
    if (!finding.remedy.empty()) add(std::string(margin(), ' '), "-> " + finding.remedy);
  }

 private:
  static constexpr std::size_t verdict_width = std::string_view("not known").size(), least_columns = 20;
  std::size_t margin() const { return verdict_width + 2 + subject_width_ + 2; }
  void add(std::string beside, const std::string& text) const {
    for (const std::string& line : tools::wrapped(tools::printable(text), text_columns_)) {
      fmt::print("{}{}\n", beside, line);
      beside.assign(margin(), ' ');
    }
  }

  std::size_t subject_width_ = 0;
  std::optional<std::size_t> text_columns_;
};

void print_text(const Facts& facts, const Findings& findings) {
  const Sheet sheet(findings);
  fmt::print("{}\n\n", tools::printable(place_text(facts)));
  for (const Finding& finding : findings) sheet.add(finding);
  fmt::print("\n{} good, {} to mind, {} not known\n", count(findings, Verdict::good), count(findings, Verdict::warning),
             count(findings, Verdict::unknown));
}

void print_as_json(const Facts& facts, const Findings& findings) {
  Json all = Json::array();
  for (const Finding& finding : findings) {
    all.push_back({{"subject", finding.subject}, {"verdict", name(finding.verdict)}, {"text", finding.text},
                   {"remedy", finding.remedy.empty() ? Json() : Json(finding.remedy)}});
  }
  tools::print_json({{"place", place_text(facts)},
                     {"run", facts.run ? Json(facts.run->name) : Json()},
                     {"directory", facts.storage.directory},
                     {"findings", all},
                     {"warnings", count(findings, Verdict::warning)},
                     {"unknown", count(findings, Verdict::unknown)}});
}

Question question_of(io::FileSystem& fs, const DoctorOptions& options) {
  Question question{std::nullopt, "", options.partition};
  if (options.run.empty()) return question;
  question.run = tools::choose_run(fs, options.run);
  question.run_name = tools::name_of_run(*question.run);
  return question;
}

}  // namespace

int run_doctor(const DoctorOptions& options, tools::Format format) {
  io::FileSystem& fs = io::file_system();
  const Facts facts = gather(fs, system_clock(), question_of(fs, options));
  const Findings findings = examine(facts);
  if (format == tools::Format::json) print_as_json(facts, findings);
  else print_text(facts, findings);
  return count(findings, Verdict::warning) > 0 ? tools::exit_no : 0;
}

}  // namespace ckpt::supervisor::doctor
