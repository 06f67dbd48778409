"""What streams promise, and the test of each promise.

`py file::test` is a test of tests/python, the file without its prefix test_ and its ending; `cc Suite.Name` one of tests/cpp. The last column's
tests fail if the promise is broken; that they are there is tested below.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[2]

PROPERTIES = """
 1  only the source knows whether a stream ends                                py stream/stream_promises::test_only_the_source_knows_whether_a_stream_ends
 2  iteration yields batches, never an empty one                               py stream/streams::test_empty_batches_are_skipped
 3  iteration is synchronous or asynchronous                                   py stream/streams::test_async_iteration_does_not_block_the_loop
 4  an endless source is read as far as asked                                  py stream/streams::test_an_endless_iterable_is_read_as_far_as_asked
 5  leaving the loop ends the run                                              py stream/streams::test_leaving_a_loop_ends_the_run_and_frees_it
 6  process_batch is enough; a morsel keeps identity and metadata              cc Stream.MorselsKeepTheirNumberAndMetadataThroughAllOperators
 7  the same of operators in Python                                            py stream/streams::test_metadata_is_kept
 8  process_morsel gives nothing when all was filtered out                     py stream/streams::test_process_morsel_gives_nothing_when_all_is_filtered_out
 9  an operator says its schema, state, shuffle, keys, hint and name           py stream/streams::test_an_operator_says_what_it_is
10  wrapping an operator changes speed, never the result                       py stream/streams::test_a_wrapped_operator_gives_the_same
11  an operator with state sees everything in order                            py stream/streams::test_a_stateful_operator_sees_everything_in_order
12  parallel equals sequential with order: 0 to 500K rows, ints, floats, texts py stream/streams::test_parallel_equals_sequential_including_order
13  the same of functions in Python                                            py stream/streams::test_python_functions_parallel_equal_sequential
14  and in C++                                                                 cc Stream.ParallelEqualsSequentialIncludingOrder
15  filtering all gives no batch                                               py stream/streams::test_filter_all_gives_no_batch
16  batches under the threshold go straight through                            py stream/streams::test_threshold_bypass
17  disabled, and one worker: the caller's thread                              py stream/streams::test_disabled_and_one_worker
18  0 and None are the cores this process may use                              py stream/stream_promises::test_cores_are_those_the_process_may_use
19  morsels are slices: no copies                                              py stream/stream_promises::test_morsels_are_slices_without_copies
20  pieces go through the whole chain and are put together where asked         py stream/stream_promises::test_pieces_are_put_together_only_where_asked
21  order is kept unless ordered=False                                         py stream/stream_promises::test_order_is_given_up_only_when_asked
22  idle workers steal, their own node's morsels first                         cc Numa.AThiefEmptiesItsOwnNodeFirst
23  every morsel is claimed once whatever the nodes                            cc Numa.EveryMorselIsClaimedOnceWhateverTheNodes
24  an exception stops the stream and is raised as it is                       py stream/streams::test_an_exception_stops_the_stream_and_is_raised_as_it_is
25  the earliest row's error wins                                              py stream/streams::test_the_earliest_rows_error_wins
26  nothing is dropped in silence: a batch of another schema is an error       py stream/streams::test_a_batch_of_another_schema_is_an_error
27  statistics have their names and add up                                     py stream/streams::test_statistics_add_up
28  sources of Python: batches, tables, dicts, iterables, asynchronous ones    py stream/streams::test_sources_of_python
29  sources in files, and SQL                                                  py stream/streams::test_files_and_sql
30  a query that PostgreSQL answers is a source                                py stream/stream_promises::test_rows_of_a_query_that_postgresql_answers
31  Kafka: JSON with keys, headers, timestamps                                 py kafka::test_json_with_all_that_a_message_has
32  Kafka: Avro                                                                py kafka::test_avro_as_another_program_writes_it
33  Kafka: Arrow IPC                                                           py kafka::test_arrow_ipc
34  Kafka: consumer groups deal partitions out                                 py kafka::test_a_group_deals_partitions_out
35  Kafka: bad messages fail, are skipped or become dead letters               py kafka::test_bad_messages_are_skipped_or_kept_in_a_file
36  a replayed topic has one order whatever the speed                          py kafka::test_a_replay_gives_the_same_order_whatever_the_speed
37  waiting is by events: it costs no CPU                                      py kafka::test_waiting_costs_nothing_and_ends_at_once
38  joins: six kinds, several keys, nulls never match                          py stream/stream_promises::test_joins_of_every_kind
39  as-of joins with tables: backward, forward, nearest, by, tolerance         py stream/stream_promises::test_asof_joins_of_every_kind
40  as-of joins of streams                                                     cc StreamJoins.AnAsofJoinFindsTheLastRowBefore
41  interval joins make every pair once                                        cc StreamJoins.AnIntervalJoinMakesEveryPairOnceInTheOrderOfTime
42  a table that refreshes is read again                                       py stream_time::test_a_refreshing_table_is_read_again
43  aggregates, groups, sorts, limit, top, union are those of frames           py stream/streams::test_aggregates_sorts_and_the_rest
44  distinct keeps the first                                                   cc StreamRun.DistinctOverAnEndlessStreamKeepsTheFirst
45  reduce folds batches in order                                              cc Stream.ReduceFoldsBatchesInOrder
46  string filters, with and without case                                      py stream/streams::test_string_filters
47  tumbling windows                                                           cc WindowsAgainstInterpreter.TumblingWindowsAreThoseOfGoingRowByRow
48  hopping windows                                                            cc WindowsAgainstInterpreter.HoppingWindowsAreThoseOfGoingRowByRow
49  session windows                                                            cc WindowsAgainstInterpreter.SessionsAreThoseOfGoingRowByRow
50  count windows                                                              cc WindowsAgainstInterpreter.CountWindowsAreThoseOfGoingRowByRow
51  the watermark is the minimum over partitions                               cc Windows.TheWatermarkIsTheMinimumOverPartitions
52  a partition not yet seen holds it back                                     cc Windows.APartitionThatHasShownNothingHoldsTheWatermarkBack
53  an idle one stops holding it back                                          cc Windows.AnIdlePartitionStopsHoldingTheWatermarkBackAfterTheSetTime
54  a window closes when the watermark reaches its end                         cc Windows.AWindowClosesWhenTheWatermarkReachesItsEnd
55  a row within the allowed lateness updates its window                       cc Windows.ARowWithinTheAllowedLatenessShowsItsWindowAgain
56  later ones go to a side output and are counted                             cc Windows.LateRowsGoToTheSideOutputAndAreCounted
57  state beyond the memory limit goes to disk                                 cc Windows.StateBeyondTheMemoryLimitGoesToDisk
58  rolling values                                                             cc Series.RollingAggregatesAreThoseOfTheRowsInside
59  moving averages and log returns                                            cc Series.EwmaAndLogReturnsFollowTheValuesOfTheKey
60  filling: forward, backward, linear, zero, mean                             cc Series.FillingForwardBackwardAndWithMeans
61  resampling has no gaps                                                     py stream_time::test_resampled_series_have_no_gaps
62  time buckets and differences                                               py stream/stream_promises::test_buckets_and_differences_of_time
63  timers of users' operators come in the order of time                       cc KeyedOperators.TimersComeInTheOrderOfTimeBetweenRows
64  a key that shows nothing for its time to live is forgotten                 cc SeriesSteps.AKeyThatShowsNothingForItsTimeToLiveStartsAnew
65  hash partitions: rows are conserved                                        cc Partition.EveryRowIsInExactlyOneHashPartition
66  hash partitions: stable however rows are cut                               cc Partition.TheHashPartitionOfARowDoesNotDependOnHowRowsAreCut
67  range partitions: boundaries                                               cc PrefixBuckets.KeepTheOrderWithinAnyRange
68  rescaling takes whole groups and loses none                                cc Partition.RescalingTakesWholeGroupsAndLosesNone
69  every way to take the rows, files among them                               py stream/stream_promises::test_ways_to_take_the_rows
70  sources are told only of rows that the sink has                            cc StreamRecovery.ASourceIsToldOnlyOfWhatTheSinkHas
71  checkpoints go round: stopped and resumed with other workers               cc StreamRecovery.ACheckpointLetsAStoppedRunGoOnWithOtherWorkersAndGivesTheSame
72  the golden file, stopped on two workers and resumed on three               py stream/golden_stream::test_stopped_on_two_workers_and_resumed_on_three_it_gives_the_golden_file
73  a killed process goes on with nothing lost and nothing twice               py stream/stream_promises::test_a_killed_process_goes_on_with_nothing_lost_and_nothing_twice
74  exactly once from Kafka into PostgreSQL, killed with its broker            py kafka_jobs::test_into_postgres
75  exactly once into files                                                    py kafka_jobs::test_into_files
76  exactly once into another topic                                            py kafka_jobs::test_into_another_topic
77  exactly once under simulated schedules with failing sinks                  cc StreamRecovery.ExactlyOnceHoldsUnderSimulatedSchedulesWithFailingSinks
78  an edited job restores or says why not                                     cc StreamRecovery.AnEditedStreamRestoresOrSaysWhyNot
79  SQL over streams gives what it gives over tables                           py stream/sql_over_streams::test_a_query_over_streams_gives_what_it_gives_over_tables
80  a run into a sink tells how it goes, and is stopped from another thread    py stream/stream_control::test_a_run_into_a_sink_tells_how_it_goes_and_is_stopped_from_another_thread
81  a list of batches is read in one go, as if one by one                      py stream/streams::test_a_list_is_collected_as_its_batches_one_by_one
"""


def functions(file: Path) -> set[str]:
    return {n.name for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef)}


def cases() -> set[str]:
    """Suite.Name of every test in C++."""
    found: set[str] = set()
    for file in (TESTS / "cpp").rglob("*.cc"):
        found |= {f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_P|_F)?\((\w+), (\w+)\)", file.read_text(), re.M)}
    return found


def test_each_promise_has_its_test() -> None:
    lines, in_cpp = PROPERTIES.strip().splitlines(), cases()
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        *words, language, where = line.split()
        assert int(words[0]) == number and len(words) > 2, line
        assert where not in seen, f"the test of another promise: {line}"
        seen.add(where)
        if language == "cc":
            assert where in in_cpp, line
            continue
        assert language == "py", line
        path, test = where.split("::")
        file = TESTS / "python" / f"{Path(path).parent}/test_{Path(path).name}.py"
        assert test in functions(file), line
    assert len(lines) >= 40
