import sys

import quixstreams.dataframe.windows.aggregations as agg
from quixstreams import Application

servers, source, target = sys.argv[1:4]
app = Application(broker_address=servers, consumer_group=source, auto_offset_reset="earliest", state_dir=f"state-{source}", auto_create_topics=False,
                  use_changelog_topics=False, loglevel="WARNING")
messages = app.dataframe(app.topic(source, key_deserializer="str", value_deserializer="json"))
counts = messages.tumbling_window(duration_ms=1000).agg(n=agg.Count(), total=agg.Sum("v")).final(closing_strategy="partition")
results = counts.apply(lambda value, key, timestamp, headers: {"k": key, "start": value["start"], "n": value["n"], "total": value["total"]}, metadata=True)
results.to_topic(app.topic(target, key_serializer="str", value_serializer="json"))
app.run()
