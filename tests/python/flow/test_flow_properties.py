"""What flows promise, and the test of each promise.

A name is `file::test`, without the prefix test_flow_. The tests of the last column fail if the promise is broken; that they are there is tested below.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

PROPERTIES = """
 1  edges come from parameter names                                  graph::test_edges_come_from_parameter_names
 2  Python's defaults count as defaults                              graph::test_defaults_count_as_defaults
 3  a cycle is an error that names its nodes, before anything runs   graph::test_cycles_are_named_before_anything_runs
 4  so is an output given twice                                      graph::test_duplicate_outputs_are_named
 5  so is a missing input                                            graph::test_missing_inputs_are_named_before_anything_runs
 6  only what the wanted outputs need is run                         graph::test_only_what_is_wanted_runs
 7  bind fixes inputs                                                graph::test_bind_fixes_inputs
 8  map takes values side by side (equally many) or all combinations map::test_zip_needs_equal_lengths_and_product_takes_all
 9  any sequence or iterable is mapped, other inputs are broadcast   map::test_other_inputs_are_broadcast_and_any_iterable_is_mapped
10  empty input gives empty output                                   map::test_empty_input_gives_empty_output
11  a flow is a node                                                 map::test_flows_are_nodes
12  nested maps run in the same scheduler                            map::test_nested_maps_share_the_scheduler
13  results are in input order whatever finished first               map::test_map_gives_a_dict_for_each_item_in_input_order
14  a stream comes in order or as completed                          streams::test_streams_come_in_order_or_as_completed
15  endless input: memory and source are held by a window            streams::test_endless_input_with_bounded_memory
16  the default stops at the first failure that occurs               failures::test_the_default_stops_at_once
17  errors="ordered" tells the earliest item's failure               failures::test_ordered_errors_are_those_of_the_earliest_item
18  per-item results: value or error                                 failures::test_results_or_errors_of_each_item
19  dead letters take each failed item once                          failures::test_dead_letters_take_each_failed_item_once
20  the user's exception is what the user sees                       failures::test_the_users_exception_is_what_the_user_sees
21  retries with back-off and jitter                                 failures::test_retries_with_growing_pauses
22  time-outs end calls of every kind                                failures::test_timeouts_end_calls_of_every_kind
23  cancellation reaches what is open                                failures::test_cancelling_a_run_ends_its_calls
24  a process that dies costs its item one more try                  failures::test_a_crashed_process_costs_its_items_one_retry
25  a rate is never exceeded and shared by name                      limits::test_a_rate_is_never_exceeded_and_shared_by_name
26  open calls are held by number                                    limits::test_limits_hold_across_flows_and_kinds
27  open calls are held by bytes                                     limits::test_open_calls_are_held_by_bytes
28  cache keys have types, None is a value                           cache::test_keys_have_types_and_none_is_a_value
29  the function's content is part of the key                        cache::test_the_functions_content_is_part_of_the_key
30  the cache is atomic on disk and safe under threads               cache::test_the_cache_on_disk_survives_damage_and_many_threads
31  the cache costs nothing when off                                 cache::test_a_cache_that_is_off_costs_nothing
32  stateful nodes are built once per worker                         ways::test_classes_are_built_once_per_worker
33  batch nodes get Arrow arrays                                     batches::test_batches_get_arrow_arrays_cut_at_fixed_items
34  dual nodes have both forms and one answer                        batches::test_dual_nodes_have_two_forms_and_one_answer
35  callbacks for start, end, cached, error of flow, map, node, item watching::test_events_tell_what_happens
36  progress in the terminal                                         watching::test_progress_is_shown_of_runs_that_take_long
37  a timeline of what ran when; the graph as SVG                    watching::test_timeline_and_drawing
38  async calls: thousands open on one loop                          ways::test_async_calls_overlap
39  blocking calls get threads as they are needed, without a flag    ways::test_blocking_calls_overlap_without_being_told
40  functions without Python's lock get as many threads as cores     ways::test_native_calls_run_on_threads_of_their_own
41  computing functions get processes once that is worth it          ways::test_computing_calls_go_to_processes_once_that_is_worth_it
42  trivial calls stay on the caller's thread                        ways::test_trivial_calls_stay_on_the_callers_thread
43  a stall hands the rest over                                      ways::test_a_stall_hands_the_rest_over_without_a_trial
44  independent nodes of an item overlap                             ways::test_independent_nodes_of_an_item_overlap
45  items at different nodes overlap: no barrier                     ways::test_there_is_no_barrier_between_nodes
46  explain says the way, the reason and the numbers                 ways::test_explain_says_the_way_the_reason_and_the_numbers
47  a generator explodes an item                                     map::test_generators_explode
48  functions are expressions, also inputs of aggregates             expressions::test_values_order_and_nulls
49  all of it at once equals a plain loop                            random::test_small_graphs
50  what is cancelled is a prefix of it                              random::test_what_is_cancelled_is_a_prefix
51  generators are pulled as there is room                           map::test_an_endless_generator_is_pulled_as_there_is_room
52  those of later items wait while their rows are held back         map::test_generators_of_later_items_wait_while_their_rows_are_held_back
53  a run may be awaited in the caller's loop                        server::test_requests_of_a_web_server_run_flows_side_by_side
54  progress in notebooks                                            notebook::test_a_notebook_runs
55  large values travel through shared memory                        leaks::test_large_values_through_shared_memory
56  a thousand runs leave nothing behind                             leaks::test_a_thousand_runs
57  Ctrl-C ends a run of any kind                                    leaks::test_ctrl_c_ends_a_run_of_any_kind
58  what was killed goes on where it was                             server::test_killed_and_resumed

In C++ (tests/cpp/flow/FILE_test.cc)
59  edges are typed, defaults count                                  cpp/graph::DefaultsCount
60  what is wrong is named before anything runs                      cpp/graph::NamesWhatIsWrong
61  only what the wanted slots need is run                           cpp/graph::CallsOnlyWhatIsWanted
62  values side by side or all combinations, in input order          cpp/map::TakesSidesOrCombinations
63  failures by rule, with their place                               cpp/map::AreTheUsersWithTheirPlace
64  streams with back-pressure, in order or as completed             cpp/stream::EndlessInputIsPulledAsThereIsRoom
65  coroutines on one loop                                           cpp/calls::CoroutinesOverlap
66  functions that wait get threads without a flag                   cpp/calls::FunctionsThatWaitOverlapWithoutBeingTold
67  functions that compute run on the morsel workers                 cpp/map::ComputesOnAllWorkers
68  no barrier between functions                                     cpp/calls::IndependentFunctionsOfAnItemOverlapAndThereIsNoBarrier
69  windows by count                                                 cpp/calls::AWindowHoldsByNumber
70  windows by bytes                                                 cpp/calls::AWindowHoldsByBytes
71  windows by rate                                                  cpp/calls::ARateIsNeverExceededAndShared
72  retries with pauses                                              cpp/calls::FailedCallsAreMadeAgainAfterPauses
73  time-outs                                                        cpp/calls::TimeoutsEndCalls
74  generators explode, also endless ones                            cpp/within::GiveAnItemForEachValueInOrder
75  a flow is a node                                                 cpp/within::JoinTheGraph
76  nested maps run in the same scheduler                            cpp/within::AreMappedOverManyValues
77  functions of many items get batches cut by number                cpp/within::HoldItemsByTheirNumbers
78  caches have typed keys                                           cpp/kept::HaveKeysWithTypes
79  caches on disk survive damage                                    cpp/kept::OnDiskSurviveDamageAndOtherRuns
80  a timeline of what ran when                                      cpp/kept::KeepEveryCall
81  all of it at once equals a plain loop                            cpp/random_within::SmallGraphsAreAPlainRecursion
82  what is cancelled is a prefix of it                              cpp/random_graphs::ACancelledStreamIsAPrefix
83  bind fixes slots                                                 cpp/worker::FixSlots
84  stateful functions are built once per worker                     cpp/worker::HaveAnObjectEachThatGoesWithTheFlow
85  dual functions have both forms and one answer                    cpp/worker::HaveTwoFormsAndOneAnswer
86  callbacks for start, end, cached, error of flow, map, node, item cpp/events::TellWhatHappensToAnItemOnEveryWay
87  progress                                                         cpp/events::ShowALineOfRunsThatTakeLong
88  the graph as SVG                                                 cpp/events::HaveABoxForEachSlotAndAnEdgeForEachUse
89  a thousand runs leave nothing behind                             cpp/random_graphs::AThousandRunsLeaveNothing

For people
90  type checkers know what functions and runs give                  types::test_types_are_known
91  a script of all kinds of functions: no flag, no warning, an end  new_user::test_a_script_of_all_kinds_of_functions
92  so in an async web handler                                       new_user::test_an_async_web_handler
93  a program goes on after Ctrl-C with nothing left over            leaks::test_a_program_that_goes_on_after_ctrl_c_has_nothing_left_over
94  the interpreter ends however its end comes                       leaks::test_the_end_of_the_interpreter_however_it_comes
"""


def names_in(file: str) -> set[str]:
    here = Path(__file__).parent
    if file.startswith("cpp/"):
        text = (here.parents[1] / "cpp" / "flow" / f"{file[4:]}_test.cc").read_text()
        return set(re.findall(r"^TEST(?:_P)?\(\w+, (\w+)\)", text, re.M))
    tree = ast.parse((here / f"test_flow_{file}.py").read_text())
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def test_each_promise_has_its_test() -> None:
    lines = [line for line in PROPERTIES.splitlines() if "::" in line]
    for number, line in enumerate(lines, 1):
        words = line.split()
        assert int(words[0]) == number
        file, test = words[-1].split("::")
        assert test in names_in(file), line
    assert len(lines) >= 80
