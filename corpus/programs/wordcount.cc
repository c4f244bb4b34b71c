// wordcount: counts the words of files with a few goroutines, and prints the most frequent ones.
//
//   wordcount [--workers N] [--top N] PATH...      a directory stands for the files in it
//
// Files go to the workers over a channel, counts come back over another. Who counts what and in
// which order is up to the scheduler; the output is not: totals, then words by count and name.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <reprise/os.h>
#include <reprise/reprise.h>

namespace {

using reprise::Chan;

struct Options {
  int workers = 4;
  size_t top = 10;
  std::vector<std::string> paths;
};

struct FileCount {
  std::string path;
  std::string error;  // empty: counted
  size_t bytes = 0, lines = 0, words = 0;
  std::unordered_map<std::string, size_t> by_word;
};

bool is_letter(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

// Counts a file in pieces; a word may lie across two of them.
class Counter {
 public:
  explicit Counter(FileCount* into) : into_(into) {}

  void feed(std::string_view bytes) {
    into_->bytes += bytes.size();
    for (const char c : bytes) {
      into_->lines += c == '\n';
      if (is_letter(static_cast<unsigned char>(c))) {
        word_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
      } else {
        end_word();
      }
    }
  }
  void end_word() {
    if (word_.empty()) return;
    into_->words++;
    into_->by_word[word_]++;
    word_.clear();
  }

 private:
  FileCount* into_;
  std::string word_;
};

FileCount count_file(const std::string& path) {
  FileCount result;
  result.path = path;
  auto file = reprise::os::open(path);
  if (!file) {
    result.error = file.error().message();
    return result;
  }
  Counter counter(&result);
  std::vector<char> buffer(64 << 10);
  for (;;) {
    auto got = file->read(buffer);
    if (!got) result.error = got.error().message();
    if (!got || *got == 0) break;
    counter.feed({buffer.data(), *got});
  }
  counter.end_word();
  return result;
}

// Directories become the regular files in them, by name.
std::vector<std::string> files_of(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    auto info = reprise::os::stat(path);
    if (!info || info->type != reprise::os::FileType::directory) {
      files.push_back(path);  // a missing one is reported when it is counted
      continue;
    }
    auto dir = reprise::os::open(path);
    auto entries = dir ? dir->readdir() : std::move(dir).error();
    if (!entries) {
      files.push_back(path);
      continue;
    }
    for (const auto& entry : *entries) {
      if (entry.type == reprise::os::FileType::regular) files.push_back(path + "/" + entry.name);
    }
  }
  return files;
}

// By path, so that the order of arrival does not show.
std::map<std::string, FileCount> count_all(const Options& options) {
  Chan<std::string> work(static_cast<int64_t>(options.workers));
  Chan<FileCount> done(static_cast<int64_t>(options.workers));
  reprise::WaitGroup workers(options.workers);
  for (int i = 0; i < options.workers; ++i) {
    reprise::go([=]() mutable {
      for (const std::string& path : work) done.send(count_file(path));
      workers.done();
    });
  }
  reprise::go([=, files = files_of(options.paths)]() mutable {
    for (const std::string& file : files) work.send(file);
    work.close();
    workers.wait();
    done.close();
  });
  std::map<std::string, FileCount> counts;
  for (FileCount count : done) counts[count.path] = std::move(count);
  return counts;
}

int print(const std::map<std::string, FileCount>& counts, size_t top) {
  size_t bytes = 0, lines = 0, words = 0, failed = 0;
  std::unordered_map<std::string, size_t> by_word;
  for (const auto& [path, count] : counts) {
    if (!count.error.empty()) {
      std::fprintf(stderr, "wordcount: %s\n", count.error.c_str());
      ++failed;
      continue;
    }
    bytes += count.bytes;
    lines += count.lines;
    words += count.words;
    for (const auto& [word, times] : count.by_word) by_word[word] += times;
  }
  std::printf("%zu files, %zu lines, %zu words, %zu bytes, %zu different words\n",
              counts.size() - failed, lines, words, bytes, by_word.size());
  std::vector<std::pair<std::string, size_t>> sorted(by_word.begin(), by_word.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  for (size_t i = 0; i < sorted.size() && i < top; ++i) {
    std::printf("%8zu %s\n", sorted[i].second, sorted[i].first.c_str());
  }
  return failed ? 1 : 0;
}

template <class T>
bool parse_positive(std::string_view text, T* value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && stop == text.data() + text.size() && *value > 0;
}

int app(int argc, char** argv) {
  Options options;
  bool good = true;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--workers" && i + 1 < argc) {
      good &= parse_positive(argv[++i], &options.workers) && options.workers <= 1000;
    } else if (argument == "--top" && i + 1 < argc) {
      good &= parse_positive(argv[++i], &options.top);
    } else if (argument.starts_with("--")) {
      good = false;
    } else {
      options.paths.emplace_back(argument);
    }
  }
  if (!good || options.paths.empty()) {
    std::fprintf(stderr, "usage: wordcount [--workers N] [--top N] PATH...\n");
    return 64;
  }
  return print(count_all(options), options.top);
}

}  // namespace

REPRISE_MAIN(app)
