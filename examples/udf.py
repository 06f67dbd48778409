"""Functions of your own: for each row, for many rows at once, and in SQL."""

import numpy as np

import gristmill as gm
from gristmill import col


@gm.udf
def plate(country: str, number: int) -> str:
    return f"{country.upper()}-{number:04d}"


@gm.udf(kind="vector", returns="float64")
def haversine(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Kilometres from Greenwich's observatory, for all rows at once."""
    a = np.sin(np.radians(lat - 51.4779) / 2) ** 2 + np.cos(np.radians(51.4779)) * np.cos(np.radians(lat)) * np.sin(np.radians(lon) / 2) ** 2
    return 2 * 6371.0 * np.arcsin(np.sqrt(a))


cars = gm.from_pydict({"country": ["no", "it", None], "number": [17, 4, 9], "lat": [59.91, 41.9, 48.2], "lon": [10.75, 12.5, 16.37]})
print(cars.select(plate("country", "number").alias("plate"), haversine("lat", "lon").round(1).alias("km")).collect())
print(cars.filter(haversine("lat", "lon") > 1200).group_by(plate("country", "number").alias("plate")).agg(gm.count()).collect())

gm.register("plate", plate)
print(gm.sql("select plate(country, number) as plate from cars where country is not null").collect())

# What the function raises is what you catch, with a note about the row.
inverse = gm.udf(lambda x: 1 / (x - 4), returns="float64", name="inverse")
try:
    cars.select(inverse(col("number"))).collect()
except ZeroDivisionError as error:
    print(error, error.__notes__)
