//! Media packed in every legal way, by writers of our own, must come out as it went in: the same
//! access units, times and key flags. Seeded; a failure names its seed or its recipe.

mod compared;
mod containers;
mod ts;
mod ts_bad;
