-- Whose word counts where sources contradict each other: the lower rank. Who sends the bill knows best what it says; a list kept by people
-- who review every change comes before one that anybody may edit, and that before one gathered from others. A source speaks as the
-- provider's own feed only of the provider named in own_feed_of. One that sells nothing says what models are, and prices and offers none.
-- Grain: one row per source.
select source, rank, own_feed_of, kind, sells, why
from (values
    ('models_dev_models', 1, null, 'list', false, 'a list of models, whoever serves them'),
    ('genai_prices', 2, null, 'curated', true, 'a reviewed list whose prices state from when they hold'),
    ('models_dev', 3, null, 'curated', true, 'a list that its users keep, a file per provider and model'),
    ('litellm', 4, null, 'aggregator', true, 'a table that a gateway bills by, gathered from many hands'),
    ('openrouter', 5, 'openrouter', 'aggregator', true, 'its own price list for what it sells itself'),
    ('curated', 6, null, 'curated', false, 'well-known models in words: its prices and limits are there to be checked'),
    ('huggingface', 7, null, 'registry', false, 'where anybody may upload weights')
) as ranks (source, rank, own_feed_of, kind, sells, why)
