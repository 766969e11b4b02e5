sandbox traffic 40
sandbox autoscale storefront --target 10 --max 3 --cooldown 5 >out.log 2>&1 &
for second in $(seq 150); do
  grep -q 'second on [23]' out.log && break
  sleep 1
done
kill $!
cat out.log
