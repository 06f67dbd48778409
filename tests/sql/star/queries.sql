-- Questions to the star schema of tables.py, each with a complete order. Written as PostgreSQL takes them.

-- returns_above_the_store_mean: customers who gave back more than 1.2 times what customers of that store do on average
with given_back as (
  select customer_key, store_key, sum(amount) as total
  from store_returns join days using (day_key)
  where year = 2021
  group by customer_key, store_key)
select c.customer_id, g.store_key, g.total
from given_back g join stores s on s.store_key = g.store_key left join customers c on c.customer_key = g.customer_key
where g.total > (select 1.2 * avg(h.total) from given_back h where h.store_key = g.store_key) and s.state in ('CA', 'TX', 'NY', 'CO')
order by c.customer_id, g.store_key, g.total
limit 100

-- week_by_week_years_apart: sales by weekday of the same weeks a year later, as quotients
with lines as (
  select day_key, amount from store_sales union all select day_key, amount from web_sales),
weeks as (
  select week_number,
         sum(case when weekday = 'Sunday' then amount end) as sunday, sum(case when weekday = 'Monday' then amount end) as monday,
         sum(case when weekday = 'Friday' then amount end) as friday, sum(case when weekday = 'Saturday' then amount end) as saturday
  from lines join days on days.day_key = lines.day_key
  group by week_number)
select y.week_number, y.sunday::float8 / nullif(z.sunday, 0)::float8 as sunday, y.monday::float8 / nullif(z.monday, 0)::float8 as monday,
       y.friday::float8 / nullif(z.friday, 0)::float8 as friday, y.saturday::float8 / nullif(z.saturday, 0)::float8 as saturday
from weeks y join weeks z on y.week_number = z.week_number - 52
where y.week_number between 53 and 104
order by y.week_number

-- brands_in_december: brands of one maker by year
select d.year, p.brand, p.maker, sum(s.amount) as total, count(*) as lines
from days d, store_sales s, products p
where d.day_key = s.day_key and s.product_key = p.product_key and p.maker between 3 and 9 and d.month = 12
group by d.year, p.brand, p.maker
order by d.year, total desc, p.brand, p.maker

-- customers_growing_on_both_channels: year totals of each customer, joined with themselves four times
with totals as (
  select c.customer_key, c.first_name, c.last_name, d.year, 's' as channel, sum(s.amount - s.discount) as total
  from customers c join store_sales s on s.customer_key = c.customer_key join days d on d.day_key = s.day_key
  group by c.customer_key, c.first_name, c.last_name, d.year
  union all
  select c.customer_key, c.first_name, c.last_name, d.year, 'w', sum(w.amount - w.discount)
  from customers c join web_sales w on w.customer_key = c.customer_key join days d on d.day_key = w.day_key
  group by c.customer_key, c.first_name, c.last_name, d.year)
select a.customer_key, a.first_name, a.last_name, a.total as store_before, b.total as store_after, v.total as web_before, w.total as web_after
from totals a, totals b, totals v, totals w
where b.customer_key = a.customer_key and v.customer_key = a.customer_key and w.customer_key = a.customer_key
  and a.channel = 's' and b.channel = 's' and v.channel = 'w' and w.channel = 'w'
  and a.year = 2021 and b.year = 2022 and v.year = 2021 and w.year = 2022
  and a.total > 0 and v.total > 0
  and case when v.total > 0 then w.total::float8 / v.total::float8 end > case when a.total > 0 then b.total::float8 / a.total::float8 end
order by a.customer_key

-- profit_and_loss_rolled_up: channels side by side over a month, with rollup
with shop as (
  select s.store_key as place, sum(amount) as sold, sum(profit) as profit
  from store_sales s join days d on s.day_key = d.day_key where day between date '2021-08-01' and date '2021-08-01' + interval '30 days' group by s.store_key),
shop_back as (
  select r.store_key as place, sum(amount) as returned, sum(fee) as loss
  from store_returns r join days d on r.day_key = d.day_key where day between date '2021-08-01' and date '2021-08-01' + interval '30 days' group by r.store_key),
web as (
  select w.site_key as place, sum(amount) as sold, sum(profit) as profit
  from web_sales w join days d on w.day_key = d.day_key where day between date '2021-08-01' and date '2021-08-01' + interval '30 days' group by w.site_key),
web_back as (
  select r.site_key as place, sum(amount) as returned, sum(fee) as loss
  from web_returns r join days d on r.day_key = d.day_key where day between date '2021-08-01' and date '2021-08-01' + interval '30 days' group by r.site_key)
select channel, place, sum(sold) as sold, sum(returned) as returned, sum(profit) as profit
from (select 'store channel' as channel, shop.place, sold, coalesce(returned, 0) as returned, profit - coalesce(loss, 0) as profit
      from shop left join shop_back on shop.place = shop_back.place
      union all
      select 'web channel', web.place, sold, coalesce(returned, 0), profit - coalesce(loss, 0)
      from web left join web_back on web.place = web_back.place) x
group by rollup (channel, place)
order by channel nulls last, place nulls last, sold

-- states_buying_dear_products: products at 1.2 times the mean price of their category
select c.state, count(*) as lines
from customers c, store_sales s, days d, products p
where c.customer_key = s.customer_key and s.day_key = d.day_key and s.product_key = p.product_key
  and d.month_number = (select distinct month_number from days where year = 2022 and month = 2)
  and p.price > 1.2 * (select avg(j.price) from products j where j.category = p.category)
group by c.state
having count(*) >= 1
order by lines, c.state nulls first

-- means_by_product_on_promotion: several averages over a demographic slice
select p.product_id, avg(s.quantity) as quantity, avg(s.list_price) as list_price, avg(s.discount) as discount, avg(s.price) as price
from store_sales s, products p, households h, customers c, promotions m, days d
where s.product_key = p.product_key and s.customer_key = c.customer_key and c.household_key = h.household_key and s.promotion_key = m.promotion_key
  and s.day_key = d.day_key and h.vehicles > 0 and (m.by_mail or not m.on_air) and d.year = 2022
group by p.product_id
order by p.product_id
limit 100

-- buckets_by_scalar_subqueries: which of two means is shown depends on a count
select case when (select count(*) from store_sales where quantity between 1 and 20) > 1000
            then (select avg(discount) from store_sales where quantity between 1 and 20)
            else (select avg(profit) from store_sales where quantity between 1 and 20) end as low,
       case when (select count(*) from store_sales where quantity between 21 and 40) > 100000
            then (select avg(discount) from store_sales where quantity between 21 and 40)
            else (select avg(profit) from store_sales where quantity between 21 and 40) end as middle,
       case when (select count(*) from store_sales where quantity > 40) > 10
            then (select max(amount) from store_sales where quantity > 40)
            else (select min(amount) from store_sales where quantity > 40) end as high
from sites where site_key = 1

-- customers_active_everywhere: exists on one channel and on either of two others
select h.potential, h.dependants, count(*) as customers
from customers c join households h on c.household_key = h.household_key
where c.state in ('CA', 'NY', 'OR', 'WA', 'IL')
  and exists (select * from store_sales s, days d where c.customer_key = s.customer_key and s.day_key = d.day_key and d.year = 2021 and d.month between 1 and 8)
  and (exists (select * from web_sales w, days d where c.customer_key = w.customer_key and w.day_key = d.day_key and d.year = 2021 and d.month between 1 and 8)
       or exists (select * from store_returns r, days d where c.customer_key = r.customer_key and r.day_key = d.day_key and d.year = 2021))
group by h.potential, h.dependants
order by h.potential, h.dependants

-- share_of_category_revenue: a window over an aggregate
select p.product_id, p.category, p.kind, p.price, sum(w.amount) as revenue,
       sum(w.amount)::float8 * 100 / sum(sum(w.amount)) over (partition by p.kind)::float8 as share
from web_sales w join products p on w.product_key = p.product_key join days d on w.day_key = d.day_key
where p.category in ('Books', 'Home', 'Sport') and d.day between date '2021-02-22' and date '2021-05-24'
group by p.product_id, p.category, p.kind, p.price
order by p.category, p.kind, p.product_id, p.price, share

-- orders_from_one_site_shipped_apart: distinct counts, exists with inequality, not exists
select count(distinct w.order_number) as orders, sum(w.ship_cost) as shipping, sum(w.profit) as profit
from web_sales w join days d on w.ship_day_key = d.day_key join sites s on w.site_key = s.site_key
where d.day between date '2021-02-01' and date '2021-09-02' and s.name in ('able', 'charlie', 'dog')
  and exists (select * from web_sales v where w.order_number = v.order_number and w.site_key <> v.site_key)
  and not exists (select * from web_returns r where w.order_number = r.order_number)

-- bought_returned_and_bought_again: three facts in a row, with spread of quantities
select p.product_id, s.state, count(*) as n, avg(b.quantity) as bought, stddev_samp(b.quantity) as bought_spread, avg(r.quantity) as returned,
       stddev_samp(r.quantity) / nullif(avg(r.quantity), 0) as returned_variation
from store_sales b
join store_returns r on b.customer_key = r.customer_key and b.product_key = r.product_key and b.order_number = r.order_number
join products p on p.product_key = b.product_key
join stores s on s.store_key = b.store_key
join days d1 on d1.day_key = b.day_key
join days d2 on d2.day_key = r.day_key and d2.day between d1.day and d1.day + interval '200 days'
group by p.product_id, s.state
order by p.product_id, s.state
limit 100

-- means_with_rollup_of_places: rollup over three levels of place and product
select p.category, c.state, c.city, grouping(p.category, c.state, c.city) as level, avg(w.quantity) as quantity, avg(w.list_price) as list_price,
       avg(c.birth_year) as born, count(*) as n
from web_sales w join customers c on w.customer_key = c.customer_key join products p on p.product_key = w.product_key join days d on d.day_key = w.day_key
where d.year = 2020 and c.birth_month in (1, 6, 8, 9, 12, 2)
group by rollup (p.category, c.state, c.city)
order by level, p.category nulls first, c.state nulls first, c.city nulls first
limit 300

-- stock_before_and_after: conditional sums around a day
select s.name, p.product_id, sum(case when d.day < date '2021-05-08' then k.on_hand else 0 end) as before,
       sum(case when d.day >= date '2021-05-08' then k.on_hand else 0 end) as after
from stock k join stores s on k.store_key = s.store_key join products p on p.product_key = k.product_key join days d on d.day_key = k.day_key
where p.price between 50 and 200 and d.day between date '2021-05-08' - interval '60 days' and date '2021-05-08' + interval '60 days'
group by s.name, p.product_id
having sum(case when d.day < date '2021-05-08' then k.on_hand else 0 end) > 0
   and sum(case when d.day >= date '2021-05-08' then k.on_hand end)::float8 / sum(case when d.day < date '2021-05-08' then k.on_hand end)::float8 between 0.2 and 5.0
order by s.name, p.product_id

-- stock_rolled_up: a mean over four levels
select p.category, p.kind, p.brand, p.name, avg(k.on_hand) as on_hand
from stock k join days d on d.day_key = k.day_key join products p on p.product_key = k.product_key
where d.month_number between 13 and 24
group by rollup (p.category, p.kind, p.brand, p.name)
order by on_hand, p.category nulls first, p.kind nulls first, p.brand nulls first, p.name nulls first
limit 200

-- frequent_products_best_customers: CTEs that use each other, a scalar maximum, IN subqueries
with frequent as (
  select p.product_key, d.month_number, count(*) as n
  from store_sales s join days d on s.day_key = d.day_key join products p on p.product_key = s.product_key
  where d.year in (2020, 2021, 2022)
  group by p.product_key, d.month_number
  having count(*) > 1),
spent as (
  select c.customer_key, sum(s.quantity * s.price) as total
  from store_sales s join customers c on s.customer_key = c.customer_key
  group by c.customer_key),
most as (select max(total) as top from spent),
best as (select customer_key from spent where total > 0.2 * (select top from most))
select last_name, first_name, sum(total) as total
from (select c.last_name, c.first_name, w.quantity * w.list_price as total
      from web_sales w join customers c on w.customer_key = c.customer_key join days d on w.day_key = d.day_key
      where d.year = 2022 and w.product_key in (select product_key from frequent) and w.customer_key in (select customer_key from best)) x
group by last_name, first_name
order by last_name, first_name, total

-- names_of_other_colours: HAVING against a share of the average over the same CTE
with paid as (
  select c.last_name, c.first_name, s.name as store, p.colour, p.size, sum(b.amount) as net
  from store_sales b join store_returns r on b.order_number = r.order_number and b.product_key = r.product_key
       join stores s on b.store_key = s.store_key join products p on b.product_key = p.product_key join customers c on b.customer_key = c.customer_key
  where c.state <> s.state
  group by c.last_name, c.first_name, s.name, p.colour, p.size)
select last_name, first_name, store, sum(net) as paid
from paid
where colour in ('blue', 'green', 'plum')
group by last_name, first_name, store
having sum(net) > (select 0.05 * avg(net) from paid)
order by last_name, first_name, store

-- six_buckets_of_prices: cross joined aggregates with distinct counts
select *
from (select avg(list_price) as mean1, count(list_price) as n1, count(distinct list_price) as d1 from store_sales
      where quantity between 0 and 5 and (list_price between 8 and 180 or discount between 0 and 1000)) b1,
     (select avg(list_price) as mean2, count(list_price) as n2, count(distinct list_price) as d2 from store_sales
      where quantity between 6 and 10 and (list_price between 90 and 100 or discount between 2 and 900)) b2,
     (select avg(list_price) as mean3, count(list_price) as n3, count(distinct list_price) as d3 from store_sales
      where quantity between 11 and 15 and (list_price between 142 and 250 or profit between 100 and 5000)) b3

-- quarter_over_quarter_growth: one CTE joined with itself for three quarters of each channel
with shop as (
  select c.state, d.quarter, d.year, sum(s.amount) as total
  from store_sales s join days d on s.day_key = d.day_key join customers c on s.customer_key = c.customer_key
  group by c.state, d.quarter, d.year),
web as (
  select c.state, d.quarter, d.year, sum(w.amount) as total
  from web_sales w join days d on w.day_key = d.day_key join customers c on w.customer_key = c.customer_key
  group by c.state, d.quarter, d.year)
select s1.state, s1.year, w2.total::float8 / w1.total::float8 as web12, s2.total::float8 / s1.total::float8 as shop12,
       w3.total::float8 / w2.total::float8 as web23, s3.total::float8 / s2.total::float8 as shop23
from shop s1, shop s2, shop s3, web w1, web w2, web w3
where s1.quarter = 1 and s1.year = 2021 and s1.state = s2.state and s2.quarter = 2 and s2.year = 2021
  and s2.state = s3.state and s3.quarter = 3 and s3.year = 2021
  and s1.state = w1.state and w1.quarter = 1 and w1.year = 2021
  and s1.state = w2.state and w2.quarter = 2 and w2.year = 2021 and s1.state = w3.state and w3.quarter = 3 and w3.year = 2021
order by s1.state

-- discounts_above_the_product_mean: a correlated threshold within a period
select sum(w.discount) as excess
from web_sales w join products p on p.product_key = w.product_key join days d on d.day_key = w.day_key
where p.maker < 30 and d.day between date '2021-01-27' and date '2021-01-27' + interval '90 days'
  and w.discount > (select 1.3 * avg(v.discount) from web_sales v join days e on v.day_key = e.day_key
                    where v.product_key = p.product_key and e.day between date '2020-01-27' and date '2021-01-27' + interval '90 days')

-- three_channels_of_one_kind: CTEs with IN over a subquery, then a union summed up
with shop as (
  select p.product_id, sum(amount) as total from store_sales s, days d, products p
  where p.kind in (select kind from products where category = 'Home') and s.product_key = p.product_key and s.day_key = d.day_key and d.year = 2022 and d.month = 5
  group by p.product_id),
web as (
  select p.product_id, sum(amount) as total from web_sales w, days d, products p
  where p.kind in (select kind from products where category = 'Home') and w.product_key = p.product_key and w.day_key = d.day_key and d.year = 2022 and d.month = 5
  group by p.product_id),
back as (
  select p.product_id, -sum(amount) as total from store_returns r, days d, products p
  where p.kind in (select kind from products where category = 'Home') and r.product_key = p.product_key and r.day_key = d.day_key and d.year = 2022 and d.month = 5
  group by p.product_id)
select product_id, sum(total) as total
from (select * from shop union all select * from web union all select * from back) x
group by product_id
order by total, product_id

-- tickets_of_many_lines: households by the size of their orders
select c.last_name, c.first_name, c.customer_id, n.order_number, n.lines
from (select s.order_number, s.customer_key, count(*) as lines
      from store_sales s, days d, stores t, customers k, households h
      where s.day_key = d.day_key and s.store_key = t.store_key and s.customer_key = k.customer_key and k.household_key = h.household_key
        and extract(day from d.day) between 1 and 20 and h.potential in ('>5000', 'unknown', '0-500')
        and case when h.vehicles > 0 then h.dependants::float8 / h.vehicles else null end > 0.9
      group by s.order_number, s.customer_key) n
join customers c on n.customer_key = c.customer_key
where n.lines between 3 and 20
order by c.last_name nulls last, c.first_name nulls last, c.customer_id, n.order_number

-- months_off_the_mean: how far months are from the mean of their year, over windows of aggregates with neighbours
with v1 as (
  select p.category, p.brand, s.name, d.year, d.month, sum(b.amount) as total,
         avg(sum(b.amount)) over (partition by p.category, p.brand, s.name, d.year) as mean,
         rank() over (partition by p.category, p.brand, s.name order by d.year, d.month) as place
  from products p join store_sales b on b.product_key = p.product_key join days d on b.day_key = d.day_key join stores s on b.store_key = s.store_key
  where d.year = 2021 or (d.year = 2020 and d.month = 12) or (d.year = 2022 and d.month = 1)
  group by p.category, p.brand, s.name, d.year, d.month)
select v1.category, v1.brand, v1.name, v1.year, v1.month, v1.mean, v1.total, before.total as total_before, after.total as total_after
from v1 join v1 before on v1.category = before.category and v1.brand = before.brand and v1.name = before.name and v1.place = before.place + 1
        join v1 after on v1.category = after.category and v1.brand = after.brand and v1.name = after.name and v1.place = after.place - 1
where v1.year = 2021 and v1.mean > 0 and abs(v1.total - v1.mean) / v1.mean > 0.1
order by v1.total - v1.mean, v1.category, v1.brand, v1.name, v1.year, v1.month
limit 100

-- worst_quotients_of_returns: two ranks over quotients, united without duplicates
select 'web' as channel, product_key, ratio, return_rank, money_rank
from (select product_key, ratio, rank() over (order by ratio) as return_rank, rank() over (order by money) as money_rank
      from (select w.product_key, sum(coalesce(r.quantity, 0))::float8 / sum(coalesce(w.quantity, 0))::float8 as ratio,
                   sum(coalesce(r.amount, 0))::float8 / sum(coalesce(w.amount, 0))::float8 as money
            from web_sales w left join web_returns r on w.order_number = r.order_number and w.product_key = r.product_key join days d on d.day_key = w.day_key
            where r.amount > 100 and w.profit > 1 and w.quantity > 0 and d.year = 2021
            group by w.product_key) a) b
where return_rank <= 10 or money_rank <= 10
union
select 'store', product_key, ratio, return_rank, money_rank
from (select product_key, ratio, rank() over (order by ratio) as return_rank, rank() over (order by money) as money_rank
      from (select s.product_key, sum(coalesce(r.quantity, 0))::float8 / sum(coalesce(s.quantity, 0))::float8 as ratio,
                   sum(coalesce(r.amount, 0))::float8 / sum(coalesce(s.amount, 0))::float8 as money
            from store_sales s left join store_returns r on s.order_number = r.order_number and s.product_key = r.product_key join days d on d.day_key = s.day_key
            where r.amount > 100 and s.profit > 1 and s.quantity > 0 and d.year = 2021
            group by s.product_key) a) b
where return_rank <= 10 or money_rank <= 10
order by 1, 4, 5, 2

-- running_totals_of_two_channels: cumulated sums met by a full join, carried forward by a running maximum
with web as (
  select product_key, day, sum(sum(price)) over (partition by product_key order by day rows between unbounded preceding and current row) as so_far
  from web_sales join days using (day_key) where month_number between 10 and 14 and product_key is not null group by product_key, day),
shop as (
  select product_key, day, sum(sum(price)) over (partition by product_key order by day rows between unbounded preceding and current row) as so_far
  from store_sales join days using (day_key) where month_number between 10 and 14 and product_key is not null group by product_key, day)
select *
from (select product_key, day, web, shop, max(web) over (partition by product_key order by day rows between unbounded preceding and current row) as web_most,
             max(shop) over (partition by product_key order by day rows between unbounded preceding and current row) as shop_most
      from (select coalesce(web.product_key, shop.product_key) as product_key, coalesce(web.day, shop.day) as day, web.so_far as web, shop.so_far as shop
            from web full join shop on web.product_key = shop.product_key and web.day = shop.day) x) y
where web_most > shop_most
order by product_key, day
limit 100

-- brands_by_month_and_its_neighbours: lag and lead over aggregates
select category, brand, year, month, total, lag(total) over w as before, lead(total, 2, 0.00) over w as two_after, total - first_value(total) over w as since_first
from (select p.category, p.brand, d.year, d.month, sum(w.amount) as total
      from web_sales w join products p using (product_key) join days d using (day_key)
      where p.brand in ('Elm', 'Larch', 'Rowan') and d.year >= 2022
      group by p.category, p.brand, d.year, d.month) x
window w as (partition by category, brand order by year, month)
order by category nulls first, brand, year, month

-- profit_rolled_up_with_places: rank within each level of a rollup
select sum(s.profit)::float8 / sum(s.amount)::float8 as margin, p.category, p.kind, grouping(p.category) + grouping(p.kind) as level,
       rank() over (partition by grouping(p.category) + grouping(p.kind), case when grouping(p.kind) = 0 then p.category end
                    order by sum(s.profit)::float8 / sum(s.amount)::float8 asc) as place
from store_sales s join days d on d.day_key = s.day_key join products p on p.product_key = s.product_key join stores t on t.store_key = s.store_key
where d.year = 2021 and t.state in ('CA', 'CO', 'GA', 'TX', 'WA', 'IL')
group by rollup (p.category, p.kind)
order by level desc, p.category nulls first, place, p.kind nulls first

-- customers_of_all_channels: intersect
select count(*) as customers
from (select distinct c.last_name, c.first_name, d.day from store_sales s, days d, customers c
      where s.day_key = d.day_key and s.customer_key = c.customer_key and d.month_number between 1 and 40
      intersect
      select distinct c.last_name, c.first_name, d.day from web_sales w, days d, customers c
      where w.day_key = d.day_key and w.customer_key = c.customer_key and d.month_number between 1 and 40) both_channels

-- customers_of_one_channel_only: except
select count(*) as customers, count(last_name) as named
from (select distinct c.last_name, c.first_name, d.day from store_sales s, days d, customers c
      where s.day_key = d.day_key and s.customer_key = c.customer_key and d.month_number between 12 and 30
      except
      select distinct c.last_name, c.first_name, d.day from web_sales w, days d, customers c
      where w.day_key = d.day_key and w.customer_key = c.customer_key and d.month_number between 12 and 30
      except
      select distinct c.last_name, c.first_name, d.day from store_returns r, days d, customers c
      where r.day_key = d.day_key and r.customer_key = c.customer_key) shop_only

-- products_left_over: except all and intersect all keep counts
select product_key, count(*) as times
from ((select product_key from store_sales where quantity > 60 except all select product_key from web_sales)
      union all
      (select product_key from web_sales where quantity < 30 intersect all select product_key from store_returns)) x
group by product_key
order by times desc, product_key
limit 50

-- hours_of_the_day: counts of eight slices side by side
select *
from (select count(*) as h8 from store_sales s, households h, customers c where s.customer_key = c.customer_key and c.household_key = h.household_key
        and s.second between 28800 and 32399 and ((h.dependants = 4 and h.vehicles <= 6) or (h.dependants = 2 and h.vehicles <= 4))) s1,
     (select count(*) as h9 from store_sales s, households h, customers c where s.customer_key = c.customer_key and c.household_key = h.household_key
        and s.second between 32400 and 35999 and ((h.dependants = 4 and h.vehicles <= 6) or (h.dependants = 2 and h.vehicles <= 4))) s2,
     (select count(*) as h10 from store_sales s, households h, customers c where s.customer_key = c.customer_key and c.household_key = h.household_key
        and s.second between 36000 and 39599 and ((h.dependants = 4 and h.vehicles <= 6) or (h.dependants = 2 and h.vehicles <= 4))) s3

-- morning_to_evening: filter clauses and a quotient of them
select t.state, count(*) filter (where s.second < 43200) as morning, count(*) filter (where s.second >= 43200) as later,
       count(*) filter (where s.second < 43200)::float8 / nullif(count(*) filter (where s.second >= 43200), 0) as quotient,
       sum(s.amount) filter (where d.holiday) as on_holidays, count(distinct s.customer_key) filter (where s.quantity > 50) as large_buyers
from store_sales s left join stores t on t.store_key = s.store_key left join days d on d.day_key = s.day_key
group by t.state
order by t.state nulls last

-- days_until_shipping: buckets by conditional sums over a difference of keys
select substr(t.name, 1, 3) as site, p.name as promotion,
       sum(case when w.ship_day_key - w.day_key <= 30 then 1 else 0 end) as within30,
       sum(case when w.ship_day_key - w.day_key > 30 and w.ship_day_key - w.day_key <= 60 then 1 else 0 end) as within60,
       sum(case when w.ship_day_key - w.day_key > 60 and w.ship_day_key - w.day_key <= 90 then 1 else 0 end) as within90,
       sum(case when w.ship_day_key - w.day_key > 90 then 1 else 0 end) as later
from web_sales w join sites t on t.site_key = w.site_key left join promotions p on p.promotion_key = w.promotion_key
group by substr(t.name, 1, 3), p.name
order by site, promotion nulls last

-- quarters_in_a_cube: cube with grouping of each key
select d.year, d.quarter, t.state, grouping(d.year) as gy, grouping(d.quarter) as gq, grouping(t.state) as gs, sum(s.amount) as total, count(*) as lines
from store_sales s join days d on d.day_key = s.day_key join stores t on t.store_key = s.store_key
where d.year between 2021 and 2022 and t.state in ('AZ', 'CA', 'GA', 'NY', 'OR', 'TX')
group by cube (d.year, d.quarter, t.state)
order by gy, gq, gs, d.year, d.quarter, t.state

-- chosen_sets: grouping sets, also the empty one, and HAVING over them
select p.category, p.brand, d.year, sum(w.profit) as profit, count(*) as lines, grouping(p.category, p.brand, d.year) as set_of
from web_sales w join products p on p.product_key = w.product_key join days d on d.day_key = w.day_key
group by grouping sets ((p.category, d.year), (p.brand), (d.year), ())
having count(*) > 60
order by set_of, p.category nulls last, p.brand nulls last, d.year nulls last

-- sets_times_sets: a product of grouping sets with a key of its own
select t.state, p.category, s.promotion_key is null as without, sum(s.quantity) as pieces, min(s.price) as cheapest
from store_sales s join stores t on t.store_key = s.store_key join products p on p.product_key = s.product_key
group by t.state, rollup (p.category), grouping sets ((s.promotion_key is null), ())
order by t.state, p.category nulls first, without nulls first, pieces

-- best_of_each_state: top three in each group by a window in a subquery
select state, customer_id, total, place
from (select c.state, c.customer_id, sum(s.amount) as total, dense_rank() over (partition by c.state order by sum(s.amount) desc) as place
      from store_sales s join customers c on c.customer_key = s.customer_key
      group by c.state, c.customer_id) x
where place <= 3
order by state nulls last, place, customer_id

-- last_purchase: distinct on
select distinct on (c.customer_id) c.customer_id, d.day, s.order_number, s.amount
from store_sales s join customers c on c.customer_key = s.customer_key join days d on d.day_key = s.day_key
where c.state = 'CA'
order by c.customer_id, d.day desc, s.amount desc, s.order_number, s.product_key

-- never_returned: anti joins three ways agree in their counts
select (select count(*) from store_sales s where not exists (select 1 from store_returns r where r.order_number = s.order_number and r.product_key = s.product_key)) as by_exists,
       (select count(*) from store_sales s left join (select distinct order_number, product_key from store_returns) r
                             on r.order_number = s.order_number and r.product_key = s.product_key where r.order_number is null) as by_join,
       (select count(*) from store_sales s where (s.order_number, s.product_key) not in
            (select order_number, product_key from store_returns where order_number is not null and product_key is not null)) as by_in

-- not_in_with_nulls: a NULL among the customers of the subquery leaves nothing
select (select count(*) from customers where customer_key not in (select customer_key from web_returns)) as none,
       (select count(*) from customers where customer_key not in (select customer_key from web_returns where customer_key is not null)) as some

-- dearer_than_all: quantified comparisons
select p.product_id, p.category, p.price
from products p
where p.price >= all (select q.price from products q where q.category = p.category)
   or p.price < any (select 0.011 * q.price from products q where q.kind = p.kind)
order by p.product_id

-- growth_of_months: year over year by a window and by a join agree
with months as (select d.year, d.month, sum(s.amount) as total from store_sales s join days d using (day_key) group by d.year, d.month)
select m.year, m.month, m.total, b.total as year_before, lag(m.total, 12) over (order by m.year, m.month) as by_lag,
       m.total - b.total as more, sum(m.total) over (partition by m.year order by m.month) as in_year,
       avg(m.total) over (order by m.year, m.month rows between 2 preceding and current row) as three_months
from months m left join months b on b.year = m.year - 1 and b.month = m.month
order by m.year, m.month

-- percentiles_of_orders: quantiles by channel and the order's place among all
with orders as (
  select 'store' as channel, order_number, sum(amount) as total from store_sales group by order_number
  union all
  select 'web', order_number, sum(amount) from web_sales group by order_number),
placed as (select channel, order_number, total, ntile(10) over (partition by channel order by total, order_number) as tenth,
                  percent_rank() over (partition by channel order by total) as share, cume_dist() over (partition by channel order by total) as below from orders)
select channel, tenth, count(*) as n, min(total) as least, max(total) as most, min(share) as first_share, max(below) as last_below,
       percentile_disc(0.5) within group (order by total) as median
from placed
group by channel, tenth
order by channel, tenth

-- baskets: pairs of products bought together
select a.product_key as one, b.product_key as other, count(distinct a.order_number) as orders
from store_sales a join store_sales b on a.order_number = b.order_number and a.product_key < b.product_key
group by a.product_key, b.product_key
having count(distinct a.order_number) >= 5
order by orders desc, one, other
limit 60

-- what_is_left_of_returns: two outer joins and null-safe comparison
select coalesce(s.store_key, r.store_key) as store, s.sold, r.returned, s.store_key is not distinct from r.store_key as both_known
from (select store_key, sum(amount) as sold from store_sales where quantity < 20 group by store_key) s
full join (select store_key, sum(amount) as returned from store_returns where reason_key in (select reason_key from reasons where reason like '%a%') group by store_key) r
  on s.store_key = r.store_key
order by store nulls last, s.sold nulls last, r.returned nulls last

-- reasons_by_list: text aggregates and arrays in a defined order
select d.year, string_agg(distinct x.reason, ', ' order by x.reason) as reasons, count(*) as n, max(r.fee) as dearest
from store_returns r join reasons x on x.reason_key = r.reason_key join days d on d.day_key = r.day_key
where r.amount > 2000
group by d.year
order by d.year

-- top_products_lateral: the two best lines of each store
select t.store_id, x.product_key, x.amount
from stores t cross join lateral (select s.product_key, s.amount from store_sales s where s.store_key = t.store_key order by s.amount desc, s.product_key, s.order_number limit 2) x
order by t.store_id, x.amount desc, x.product_key

-- gaps_between_purchases: days between purchases of a customer, islands of activity
with bought as (select distinct customer_key, day from store_sales join days using (day_key) where customer_key <= 25),
gaps as (select customer_key, day, case when day - lag(day) over (partition by customer_key order by day) <= 60 then 0 else 1 end as starts from bought),
islands as (select customer_key, day, sum(starts) over (partition by customer_key order by day) as island from gaps)
select customer_key, island, min(day) as first_day, max(day) as last_day, count(*) as days_bought
from islands
group by customer_key, island
having count(*) > 1
order by customer_key, island

-- calendar_without_sales: generated months against facts
select g.n as month_number, count(d.day_key) as days_there, count(s.order_number) as lines, coalesce(sum(s.amount), 0) as total
from generate_series(46, 52) as g(n) left join days d on d.month_number = g.n left join store_sales s on s.day_key = d.day_key and s.quantity = 7
group by g.n
order by g.n

-- descending_rollup_with_filters: aggregates with filter inside a rollup, ordered by an aggregate
select p.category, p.colour, sum(w.amount) filter (where w.quantity > 50) as large, sum(w.amount) filter (where w.quantity <= 50) as small,
       sum(w.weight) as weight, count(*) - count(w.weight) as unweighed
from web_sales w join products p on p.product_key = w.product_key
where p.category <> 'Music'
group by rollup (p.category, p.colour)
order by grouping(p.category, p.colour), sum(w.amount) desc, p.category, p.colour

-- weights_by_site: float sums, variance and correlation of a measured column
select t.name, count(w.weight) as n, sum(w.weight) as total, avg(w.weight) as mean, stddev_samp(w.weight) as spread, var_pop(w.weight) as variance,
       corr(w.weight, w.quantity) as with_quantity
from web_sales w left join sites t on t.site_key = w.site_key
group by t.name
order by t.name nulls last

-- nested_correlation: a subquery in a subquery that looks two levels up
select c.customer_id,
       (select count(*) from store_sales s where s.customer_key = c.customer_key
          and s.amount > (select avg(w.amount) from web_sales w where w.customer_key = c.customer_key and w.promotion_key is not distinct from s.promotion_key)) as above
from customers c
where c.birth_year > 1999 and exists (select 1 from web_sales w where w.customer_key = c.customer_key having count(*) > 5)
order by above desc, c.customer_id

-- orders_of_promotions: or of ands over dimensions, as in a demographic question
select sum(s.quantity) as pieces, count(*) as lines, min(s.profit) as least
from store_sales s, stores t, customers c, households h, days d
where t.store_key = s.store_key and s.day_key = d.day_key and d.year = 2022 and s.customer_key = c.customer_key and c.household_key = h.household_key
  and ((h.potential = '>5000' and s.price between 100 and 250 and h.dependants = 3) or (h.potential = 'unknown' and s.price between 50 and 200)
       or (h.potential = '0-500' and c.state in ('CA', 'TX', 'NY') and s.profit > 0) or (t.state = c.state and s.discount = 0))

-- chains_of_months: a recursive query over an aggregate
with recursive totals as (
  select month_number, sum(amount) as total from web_sales join days using (day_key) group by month_number),
carried as (
  select month_number, total::float8 as level from totals where month_number = 1
  union all
  select t.month_number, c.level * 0.5 + t.total::float8 from carried c join totals t on t.month_number = c.month_number + 1 where t.month_number <= 24)
select month_number, level from carried order by month_number
