#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include <weir/store/testing/memory_store.hpp>

#include <apps/weir/program.hpp>

namespace weir::cli {

/// A file in memory that is read back as a string.
class Captured {
 public:
  Captured() : file_(::open_memstream(&text_, &size_)) {}
  ~Captured() {
    std::fclose(file_);
    std::free(text_);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  std::FILE* file() { return file_; }
  std::string text() {
    std::fflush(file_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_;
};

struct Outcome {
  Exit exit;
  std::string out;
  std::string err;
};

/// Runs commands in the test's own process, on logs in memory, in a folder of its own.
class Shell : public ::testing::Test {
 protected:
  Shell() { std::filesystem::create_directories(folder_); }
  ~Shell() override { std::filesystem::remove_all(folder_); }

  Outcome weir(std::vector<std::string> arguments, const std::string& input = "") {
    Captured out, err;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::tmpfile(), std::fclose);
    std::fwrite(input.data(), 1, input.size(), in.get());
    std::rewind(in.get());
    Program program;
    program.in = in.get();
    program.out = out.file();
    program.err = err.file();
    program.open_catalog = [&](const std::string& uri, const OpenOptions& options) {
      opened_ = uri;
      opened_with_ = options;
      return open_();
    };
    program.interrupted = [&] { return stop_.get_token(); };
    program.backup = backup_;
    program.verify_engine = verify_engine_;
    const auto exit = run(std::move(arguments), program);
    return {exit, out.text(), err.text()};
  }

  EventStore& store(const std::string& name = "default") {
    return *catalog_->open(name, {}).value();
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::stringstream content;
    content << std::ifstream(path(name), std::ios::binary).rdbuf();
    return content.str();
  }

  std::shared_ptr<testing::MemoryCatalog> catalog_ = std::make_shared<testing::MemoryCatalog>();
  std::function<Result<std::shared_ptr<Catalog>>()> open_ = [this] {
    return Result<std::shared_ptr<Catalog>>(catalog_);
  };
  std::function<Result<BackupDone>(const BackupRequest&)> backup_;
  std::function<Result<void>(const std::string&, const std::string&, const OnDamage&)>
      verify_engine_;
  std::string opened_;
  OpenOptions opened_with_;
  std::stop_source stop_;

 private:
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() /
      ("weir-cli-" + std::to_string(::getpid()) + "-" +
       ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

}  // namespace weir::cli
