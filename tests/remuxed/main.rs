//! Media packed in every legal way, by writers of our own, must come out as it went in: the same
//! access units, times and key flags. Seeded; a failure names its seed or its recipe.

#[cfg(test)]
mod containers;
#[cfg(test)]
mod gathered;
#[cfg(test)]
mod ts;
#[cfg(test)]
mod ts_bad;
