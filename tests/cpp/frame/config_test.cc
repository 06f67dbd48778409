// Configuration: what a file, the environment and flags may say, and how what they may not is refused.

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/status.h"
#include "gristmill/config.h"

namespace gristmill {
namespace {

struct Cluster {
  std::string source;
  int64_t month = 0;
};

struct Settings {
  std::string host = "localhost", password, mode = "fast";
  std::optional<std::string> alias;
  int64_t port = 5432, memory = 0;
  std::optional<int64_t> year;
  bool strict = true;
  std::vector<std::string> keys;
  std::map<std::string, std::string> types;
  std::vector<std::shared_ptr<Cluster>> clusters;

  ConfigTable table() {
    ConfigTable t;
    t.text("database.host", &host, "where it runs", {.environment = "DB_HOST"})
        .integer("database.port", &port, "its port", {.environment = "DB_PORT", .least = 1, .most = 65535})
        .text("database.password", &password, "its password", {.environment = "DB_PASSWORD", .secret = true})
        .text("database.alias", &alias, "another name")
        .text("mode", &mode, "how", {.choices = {"fast", "slow"}})
        .integer("year", &year, "when", {.secret = false, .least = 1970})
        .bytes("memory", &memory, "most of it")
        .boolean("strict", &strict, "whether")
        .texts("keys", &keys, "which")
        .names("types", &types, "what is called how")
        .list(
            "clusters",
            [this] {
              clusters.push_back(std::make_shared<Cluster>());
              ConfigTable one;
              one.text("source", &clusters.back()->source, "its id").integer("period.month", &clusters.back()->month, "when");
              return one;
            },
            "several");
    return t;
  }
  std::string read(const std::string& yaml, const std::map<std::string, std::string>& variables = {}) {
    const auto lookup = [&](const std::string& name) -> std::optional<std::string> {
      const auto at = variables.find(name);
      return at == variables.end() ? std::nullopt : std::optional(at->second);
    };
    ConfigTable t = table();
    const auto config = Config::parse(yaml, "job.yaml", lookup);
    if (!config.ok()) return base::describe_error(config.status());
    if (const auto s = t.read(*config); !s.ok()) return base::describe_error(s);
    if (const auto s = t.read_environment(lookup); !s.ok()) return base::describe_error(s);
    return t.to_yaml();
  }
};

TEST(Config, ReadsWhatItsTableKnows) {
  Settings s;
  const std::string out = s.read(
      "database:\n  host: db  # a comment\n  port: 6000\n  password: \"p:w\"\nyear: 2025\nmemory: 512MB\nstrict: no\nkeys: [a, \"b c\"]\n"
      "types: {pod: pods, node: ~}\nclusters:\n  - source: one\n    period: {month: 2}\n  - source: two\nmode:\n");
  EXPECT_EQ(s.host, "db");
  EXPECT_EQ(s.port, 6000);
  EXPECT_EQ(s.password, "p:w");
  EXPECT_EQ(s.memory, 512'000'000);
  EXPECT_FALSE(s.strict);
  EXPECT_EQ(s.keys, (std::vector<std::string>{"a", "b c"}));
  ASSERT_EQ(s.clusters.size(), 2U);
  EXPECT_EQ(s.clusters[0]->month, 2);
  EXPECT_EQ(out,
            "database:\n  host: db\n  port: 6000\n  password: \"***\"\nmode: fast\nyear: 2025\nmemory: 512000000\nstrict: false\n"
            "keys: [a, b c]\ntypes: {pod: pods}\nclusters:\n  - source: one\n    period:\n      month: 2\n  - source: two\n    period:\n"
            "      month: 0\n");
}

TEST(Config, NamesTheNearestKeyAndTheLine) {
  Settings s;
  EXPECT_EQ(s.read("year: 2025\ndatabase:\n  hst: db\n"),
            "job.yaml, line 3: there is no key \"hst\" in \"database\"; did you mean \"host\"?");
  EXPECT_EQ(s.read("clusters:\n- source: a\n- soruce: b\n"), "job.yaml, line 3: there is no key \"soruce\"; did you mean \"source\"?");
  EXPECT_NE(s.read("year: 2001\nport: 5\n").find("there is \"database.port\""), std::string::npos);
  EXPECT_NE(s.read("year: 2000\nyear: 2001\n").find("line 2: the key \"year\" comes twice"), std::string::npos);
  EXPECT_NE(s.read("database.host: x\n").find("there is no key \"database.host\""), std::string::npos);
}

TEST(Config, RefusesValuesThatDoNotFit) {
  Settings s;
  EXPECT_EQ(s.read("database:\n  port: 65536\n"), "job.yaml, line 2: database.port: \"65536\" is no whole number from 1 to 65535");
  EXPECT_NE(s.read("year: 2025x\n").find("no whole number from 1970"), std::string::npos);
  EXPECT_NE(s.read("mode: fats\n").find("did you mean \"fast\"?"), std::string::npos);
  EXPECT_NE(s.read("strict: perhaps\n").find("neither true nor false"), std::string::npos);
  EXPECT_NE(s.read("memory: lots\n").find("not a size"), std::string::npos);
  EXPECT_NE(s.read("database: here\n").find("is a section"), std::string::npos);
  EXPECT_NE(s.read("mode: [a]\n").find("takes one value"), std::string::npos);
  EXPECT_NE(s.read("clusters: 5\n").find("is a list"), std::string::npos);
  EXPECT_NE(s.read("a: b: c\n").find("job.yaml, line 1"), std::string::npos);
  EXPECT_NE(s.read("- a\n").find("made of keys"), std::string::npos);
  EXPECT_EQ(s.read("database:\n  password: [hidden]\n").find("hidden"), std::string::npos);
}

TEST(Config, ReplacesVariablesInValuesOnly) {
  Settings s;
  const std::map<std::string, std::string> variables = {{"HOST", "db: x\nyear: 1"}, {"EMPTY", ""}};
  s.read("database: {host: \"${HOST}\", password: \"a$$b${EMPTY:-c}${NONE:-}$d\"}\n", variables);
  EXPECT_EQ(s.host, "db: x\nyear: 1");
  EXPECT_EQ(s.password, "a$bc$d");
  EXPECT_FALSE(s.year.has_value());
  EXPECT_NE(s.read("mode: ${NONE}\n").find("line 1: the variable NONE is not set"), std::string::npos);
  EXPECT_NE(s.read("mode: ${a b}\n").find("names no variable"), std::string::npos);
  EXPECT_NE(s.read("mode: ${a\n").find("without its }"), std::string::npos);
}

TEST(Config, LetsTheEnvironmentAndFlagsOverruleTheFile) {
  Settings s;
  s.read("database: {host: file, port: 1}\n", {{"DB_HOST", "env"}, {"DB_PORT", ""}});
  EXPECT_EQ(s.host, "env");
  EXPECT_EQ(s.port, 1);
  EXPECT_EQ(s.read("", {{"DB_PORT", "x"}}), "DB_PORT: \"x\" is no whole number from 1 to 65535");
  ConfigTable t = s.table();
  ASSERT_TRUE(t.set("database.host", "flag", "--host").ok());
  EXPECT_EQ(s.host, "flag");
  EXPECT_EQ(base::describe_error(t.set("database.port", "0", "--port")), "--port: \"0\" is no whole number from 1 to 65535");
}

TEST(Config, PrintsWhatItWouldReadAgain) {
  std::mt19937 random(7);
  const std::string letters = "ab :#-'\"\\$${}[]*&!%@`|>,?~\n\t.0né";
  for (int round = 0; round < 300; ++round) {
    Settings s, again;
    for (std::string* text : {&s.host, &s.mode}) {
      text->clear();
      for (size_t n = 1 + random() % 6; n > 0; --n) *text += letters[random() % (letters.size() - 3)];
    }
    s.mode = "slow";
    s.keys = {s.host, "null", "~", "-", "a: b"};
    s.types = {{s.host + "k", s.host}};
    const std::string yaml = s.table().to_yaml();
    EXPECT_EQ(again.read(yaml), yaml) << yaml;
    EXPECT_EQ(again.host, s.host) << yaml;
    EXPECT_EQ(again.keys, s.keys) << yaml;
    EXPECT_EQ(again.types, s.types) << yaml;
  }
}

}  // namespace
}  // namespace gristmill
