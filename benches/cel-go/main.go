// Evaluates policies, each a CEL expression over "employee", for everybody, and says how long that takes and whom they
// match. Everything that can be done once is done once: expressions are compiled and optimised, and facts are converted
// to CEL's own values, before the clock starts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

type report struct {
	Version   string      `json:"version"`
	Compile   float64     `json:"compile"`
	Full      float64     `json:"full"`
	OnePerson float64     `json:"one_person"`
	OnePolicy float64     `json:"one_policy"`
	Matches   [][2]uint64 `json:"matches"`
}

func main() {
	people := readPeople(os.Args[1])
	sources := readPolicies(os.Args[2])
	env := must(cel.NewEnv(cel.Variable("employee", cel.MapType(cel.StringType, cel.DynType))))

	began := onProcessor()
	programs := make([]cel.Program, len(sources))
	for i, source := range sources {
		programs[i] = compile(env, source)
	}
	out := report{Version: version(), Compile: (onProcessor() - began)}

	began = onProcessor()
	for _, program := range programs {
		out.Matches = append(out.Matches, all(program, people))
	}
	out.Full = (onProcessor() - began)

	began = onProcessor()
	persons := min(len(people), 100)
	for i := range persons {
		for _, program := range programs {
			matches(program, people[i*len(people)/persons])
		}
	}
	out.OnePerson = (onProcessor() - began) / float64(persons)

	began = onProcessor()
	policies := min(len(programs), 20)
	for i := range policies {
		all(compile(env, sources[i*len(sources)/policies]), people)
	}
	out.OnePolicy = (onProcessor() - began) / float64(policies)

	check(json.NewEncoder(os.Stdout).Encode(out))
}

// How many seconds this process has been on a processor: what others do on the machine is not in it.
func onProcessor() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func compile(env *cel.Env, source string) cel.Program {
	ast, issues := env.Compile(source)
	check(issues.Err())
	return must(env.Program(ast, cel.EvalOptions(cel.OptOptimize)))
}

// How many people the program matches, and a digest of whom.
func all(program cel.Program, people []map[string]any) [2]uint64 {
	var count uint64
	digest := uint64(0xcbf29ce484222325)
	for i, person := range people {
		if matches(program, person) {
			count++
			digest = (digest ^ uint64(i)) * 0x100000001b3
		}
	}
	return [2]uint64{count, digest}
}

func matches(program cel.Program, person map[string]any) bool {
	value, _, err := program.Eval(person)
	check(err)
	return value == types.True
}

func readPeople(path string) []map[string]any {
	var people []map[string]any
	lines(path, func(line []byte) {
		var facts map[string]any
		check(json.Unmarshal(line, &facts))
		people = append(people, map[string]any{"employee": value(facts)})
	})
	return people
}

func value(fact any) ref.Val {
	switch fact := fact.(type) {
	case string:
		return types.String(fact)
	case float64:
		return types.Int(fact)
	case map[string]any:
		values := map[ref.Val]ref.Val{}
		for name, item := range fact {
			values[types.String(name)] = value(item)
		}
		return types.NewRefValMap(types.DefaultTypeAdapter, values)
	case []any:
		values := make([]ref.Val, len(fact))
		for i, item := range fact {
			values[i] = value(item)
		}
		return types.NewRefValList(types.DefaultTypeAdapter, values)
	default:
		panic(fmt.Sprintf("%T is no fact", fact))
	}
}

func readPolicies(path string) []string {
	var sources []string
	lines(path, func(line []byte) {
		var source string
		check(json.Unmarshal(line, &source))
		sources = append(sources, source)
	})
	return sources
}

func lines(path string, each func([]byte)) {
	file := must(os.Open(path))
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		each(scanner.Bytes())
	}
	check(scanner.Err())
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == "cel.dev/cel-go" {
			return dependency.Version
		}
	}
	return "unknown"
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
