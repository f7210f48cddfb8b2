package servers

import (
	"cmp"
	"database/sql"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the administrator's driver
)

// These are the directories of programs that are not in PATH. Tests change them.
var (
	postgresFolders = "/usr/lib/postgresql/*/bin" // Debian; * is the version
	mariadbFolders  = "/usr/sbin"                 // not in every PATH
)

const (
	postgresPort = "5432" // part of the socket's name, and nothing else
	postgresUser = "postgres"
)

var postgres = kind{
	name:    "postgres",
	title:   "PostgreSQL",
	users:   []string{"postgres"},
	drivers: []string{"pgx", "postgres"},
	settings: map[string]string{
		"max_connections":    "200",
		"fsync":              "on",
		"synchronous_commit": "on",
	},
	fast: map[string]string{
		"fsync":              "off",
		"synchronous_commit": "off",
		"full_page_writes":   "off",
	},
	find: findPostgres,
	install: func(p programs, dir string, _ map[string]string) []string {
		// --no-sync: the directory need not survive a crash of the machine.
		return []string{p.install, "--pgdata=" + dataDir(dir), "--username=" + postgresUser, "--auth=trust",
			"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"}
	},
	serve: func(p programs, dir string, settings map[string]string) []string {
		command := []string{p.serve, "-D", dataDir(dir)}
		settings = maps.Clone(settings)
		settings["listen_addresses"] = ""
		settings["port"] = postgresPort
		settings["unix_socket_directories"] = postgresSocket(dir)
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			command = append(command, "-c", name+"="+settings[name])
		}
		return command
	},
	dsn: postgresDSN,
	open: func(dir string) (*sql.DB, error) {
		return sql.Open("pgx", postgresDSN(dir, "postgres"))
	},
	drop: "DROP DATABASE IF EXISTS %s WITH (FORCE)",
	stop: syscall.SIGINT, // "fast"
	// "Immediate": like a crash, but it ends its children too.
	orphan: syscall.SIGQUIT,
}

// copyPostgres returns the command that makes a data directory a standby of the server in another
// directory.
func copyPostgres(p programs, dir, primary string) ([]string, error) {
	program := filepath.Join(filepath.Dir(p.serve), "pg_basebackup")
	if real, err := filepath.EvalSymlinks(p.serve); err == nil && !executable(program) {
		program = filepath.Join(filepath.Dir(real), "pg_basebackup")
	}
	if !executable(program) {
		var err error
		if program, err = exec.LookPath("pg_basebackup"); err != nil {
			return nil, &MissingError{Program: "pg_basebackup"}
		}
	}
	return []string{program, "--pgdata=" + dataDir(dir), "--host=" + postgresSocket(primary), "--port=" + postgresPort,
		"--username=" + postgresUser, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"}, nil
}

func postgresSocket(dir string) string { return filepath.Join(dir, "socket") }

func postgresDSN(dir, database string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return "host='" + quote.Replace(postgresSocket(dir)) + "' port=" + postgresPort + " user=" + postgresUser +
		" dbname='" + quote.Replace(database) + "' sslmode=disable"
}

// findPostgres prefers a PostgreSQL in PATH, and then the highest version.
func findPostgres() (programs, error) {
	var p programs
	var err error
	if p.install, err = exec.LookPath("initdb"); err == nil {
		if p.serve, err = exec.LookPath("postgres"); err == nil {
			return p, nil
		}
	}
	folders, err := filepath.Glob(postgresFolders)
	if err != nil {
		return programs{}, err
	}
	version := func(folder string) float64 {
		v, err := strconv.ParseFloat(filepath.Base(filepath.Dir(folder)), 64)
		if err != nil {
			return 0
		}
		return v
	}
	slices.SortStableFunc(folders, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	missing := "initdb"
	for _, folder := range folders {
		p = programs{install: filepath.Join(folder, "initdb"), serve: filepath.Join(folder, "postgres")}
		switch {
		case executable(p.install) && executable(p.serve):
			return p, nil
		case executable(p.install):
			missing = "postgres"
		}
	}
	return programs{}, &MissingError{Program: missing}
}

var mariadb = kind{
	name:    "mariadb",
	title:   "MariaDB",
	users:   []string{"mysql"},
	drivers: []string{"mysql"},
	settings: map[string]string{
		"max_connections":                "200",
		"innodb_flush_log_at_trx_commit": "1",
		"innodb_log_file_size":           "32M",
		"skip_name_resolve":              "",
		"skip_log_bin":                   "",
	},
	fast: map[string]string{
		"innodb_flush_log_at_trx_commit": "0",
		"innodb_flush_method":            "nosync",
		"innodb_doublewrite":             "OFF",
	},
	find: findMariaDB,
	install: func(p programs, dir string, settings map[string]string) []string {
		return append([]string{p.install, "--no-defaults", "--datadir=" + dataDir(dir), "--skip-test-db",
			"--auth-root-authentication-method=normal"}, mariadbFlags(settings)...)
	},
	serve: func(p programs, dir string, settings map[string]string) []string {
		return append([]string{p.serve, "--no-defaults", "--datadir=" + dataDir(dir), "--tmpdir=" + filepath.Join(dir, "tmp"),
			"--skip-networking", "--socket=" + mariadbSocket(dir), "--pid-file=" + filepath.Join(dir, "pid")},
			mariadbFlags(settings)...)
	},
	dsn: func(dir, database string) string { return mariadbConfig(dir, database).FormatDSN() },
	open: func(dir string) (*sql.DB, error) {
		config := mariadbConfig(dir, "")
		config.Logger = &mysql.NopLogger{} // the errors are returned as well
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	},
	drop:   "DROP DATABASE IF EXISTS %s",
	stop:   syscall.SIGTERM,
	orphan: syscall.SIGKILL,
}

func mariadbSocket(dir string) string { return filepath.Join(dir, "socket", "mariadb") }

func mariadbConfig(dir, database string) *mysql.Config {
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "unix", mariadbSocket(dir), database
	return config
}

func mariadbFlags(settings map[string]string) []string {
	var flags []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		flag := "--" + name
		if settings[name] != "" {
			flag += "=" + settings[name]
		}
		flags = append(flags, flag)
	}
	return flags
}

func findMariaDB() (programs, error) {
	find := func(name string) (string, error) {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		if path := filepath.Join(mariadbFolders, name); executable(path) {
			return path, nil
		}
		return "", &MissingError{Program: name}
	}
	var p programs
	var err error
	if p.install, err = find("mariadb-install-db"); err != nil {
		return programs{}, err
	}
	if p.serve, err = find("mariadbd"); err != nil {
		return programs{}, err
	}
	return p, nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
