sandbox traffic 3
sandbox autoscale storefront --target 10 --max 3 --cooldown 5 >in.log 2>&1 &
for second in $(seq 150); do
  grep -q 'second on 1' in.log && break
  sleep 1
done
kill $!
cat in.log
