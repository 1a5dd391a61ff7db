// SPDX-License-Identifier: Apache-2.0
// What a user's own job script asks for.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ckpt::supervisor::slurm {

// The options of a script's "#SBATCH" lines by their long names, later ones outranking earlier ones: {"time": "1-0"}.
std::map<std::string, std::string> directives(std::string_view script);

// The same of words as on sbatch's command line.
std::map<std::string, std::string> long_options(const std::vector<std::string>& words);

// "/usr/bin/srun", "mpirun": a program that starts another one many times.
bool is_launcher(const std::string& word);

using Word = std::vector<std::string>::const_iterator;
// The run that the words behind "ckptrun" name: "-r NAME", "-rNAME", "--run NAME", "--run=NAME". What stands behind the
// command's "--" is not ours. Empty: none.
std::string run_option(Word word, Word end);

// The words of a line as a shell splits them; nothing is expanded, quotes hold spaces together and are gone.
std::vector<std::string> shell_words(std::string_view line);
// The lines of a script as a shell joins them: one that ends in a backslash goes on; comments are left out.
std::vector<std::string> command_lines(std::string_view script);
// The words of each command of a line: "a && b; c | d  # comment" has four.
std::vector<std::vector<std::string>> shell_commands(std::string_view line);

}  // namespace ckpt::supervisor::slurm
